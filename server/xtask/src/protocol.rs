//! The protocol in three forms, all made from the crate `protocol`: for people, as JSON Schema, and as
//! TypeScript for the extension of VS Code.

use crate::typescript;
use anyhow::{Context, bail};
use boxagnts_protocol::catalog::{ALL, Command, NOTIFICATIONS, PROTOCOL_VERSION, REQUESTS};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::path::Path;

const REGENERATE: &str = "cargo xtask protocol";

/// Writes the files.
pub(crate) fn write(root: &Path) -> anyhow::Result<()> {
    for (file, text) in files()? {
        let path = root.join(file);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, text).with_context(|| format!("writing {file}"))?;
    }
    Ok(())
}

/// Fails when a file is not what the sources say.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    for (file, text) in files()? {
        let committed = std::fs::read_to_string(root.join(file)).unwrap_or_default();
        // Of a checkout with the line ends of Windows.
        if committed.replace("\r\n", "\n") != text {
            bail!(
                "{file} is not what the crate `protocol` says; run `{REGENERATE}` and commit the result"
            );
        }
    }
    Ok(())
}

fn files() -> anyhow::Result<[(&'static str, String); 3]> {
    let schema = schema();
    let mut json = serde_json::to_string_pretty(&schema)?;
    json.push('\n');
    Ok([
        ("protocol/schema.json", json),
        ("protocol/PROTOCOL.md", markdown(&schema)),
        (
            "editors/vscode/src/generated/protocol.ts",
            typescript::module(&schema, PROTOCOL_VERSION),
        ),
    ])
}

/// `{version, commands: {NAME: {about, method, params, result}}, notifications, $defs}`.
fn schema() -> Value {
    let mut generator: SchemaGenerator = SchemaSettings::draft2020_12().into_generator();
    let mut commands = Map::new();
    for command in ALL {
        let Command {
            about,
            params,
            result,
            ..
        } = command;
        let params = params.map(|of| of(&mut generator).to_value());
        let result = result.map(|of| of(&mut generator).to_value());
        commands.insert(
            command.name.to_owned(),
            json!({
                "about": about,
                "method": command.method(),
                "params": params.unwrap_or(Value::Null),
                "result": result.unwrap_or_else(|| json!({"type": "null"})),
            }),
        );
    }
    let mut notifications = Map::new();
    for notification in NOTIFICATIONS {
        let params = (notification.params)(&mut generator).to_value();
        notifications.insert(
            notification.method.to_owned(),
            json!({"about": notification.about, "params": params}),
        );
    }
    let mut requests = Map::new();
    for request in REQUESTS {
        let params = (request.params)(&mut generator).to_value();
        let result = (request.result)(&mut generator).to_value();
        requests.insert(
            request.method.to_owned(),
            json!({"about": request.about, "params": params, "result": result}),
        );
    }
    let mut all = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "BoxAgnts protocol",
        "version": PROTOCOL_VERSION,
        "commands": commands,
        "notifications": notifications,
        "requests": requests,
        "$defs": generator.take_definitions(true),
    });
    // Features of the build may keep the order of keys or not; files have one order.
    all.sort_all_objects();
    all
}

fn markdown(schema: &Value) -> String {
    let mut page = format!(
        "# Protocol\n\n<!-- Made by `{REGENERATE}`; what is written here by hand is lost. -->\n\n\
         Version {PROTOCOL_VERSION}. BoxAgnts speaks LSP over stdio (`boxagnts lsp`). Beyond standard LSP \
         there is what this page lists; `schema.json` beside it has the same for programs.\n\n\
         - The server tells the version in its answer to `initialize`: \
         `capabilities.experimental.boxagnts.protocolVersion`. It goes up when a client that knows the \
         old one would misunderstand the new one. Clients pass over fields and events that they do not \
         know.\n\
         - A client that reviews proposals by itself says \
         `capabilities.experimental.boxagnts = {{\"review\": true}}`, and is then asked no questions at \
         the end of a turn.\n\
         - Commands go by `workspace/executeCommand` with one object as argument, or as requests of \
         their own. Each answers at once; notifications tell what comes of it.\n\
         - Documents `boxagnts:/SESSION/proposal.diff`, `boxagnts:/SESSION/base/PATH` and \
         `boxagnts:/SESSION/proposed/PATH` are served by `workspace/textDocumentContent` (LSP 3.18).\n\n\
         Types are written as in TypeScript; `?` marks what may be absent.\n\n## Commands\n\n"
    );
    for command in ALL {
        let entry = &schema["commands"][command.name];
        let params = match &entry["params"] {
            Value::Null => "none".to_owned(),
            params => format!("`{}`", typescript::of(params)),
        };
        // Writing to a string never fails.
        let _ = writeln!(
            page,
            "### `{}`\n\n{}\n\nRequest: `{}`. Argument: {params}. Result: `{}`.\n",
            command.name,
            command.about,
            command.method(),
            typescript::of(&entry["result"]),
        );
    }
    page.push_str("## Notifications of the server\n\n");
    for notification in NOTIFICATIONS {
        let params = &schema["notifications"][notification.method]["params"];
        let _ = writeln!(
            page,
            "### `{}`\n\n{}\n\nParameters: `{}`.\n",
            notification.method,
            notification.about,
            typescript::of(params),
        );
    }
    page.push_str("## Requests of the server\n\n");
    for request in REQUESTS {
        let schema = &schema["requests"][request.method];
        let _ = writeln!(
            page,
            "### `{}`\n\n{}\n\nParameters: `{}`. Result: `{} | null`.\n",
            request.method,
            request.about,
            typescript::of(&schema["params"]),
            typescript::of(&schema["result"]),
        );
    }
    page.push_str("## Types\n");
    for (name, body) in typescript::definitions(schema) {
        let _ = write!(page, "\n### `{name}`\n\n```ts\n{body}```\n");
    }
    page
}
