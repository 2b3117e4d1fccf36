//! The layers of `server/ARCHITECTURE.md`, checked over `cargo metadata`: which of our crates may
//! use which, and who alone may know a technology.
// Helpers of tests fail as tests do.
#![allow(clippy::expect_used)]

use cargo_metadata::{DependencyKind, MetadataCommand, Package};
use std::collections::BTreeSet;

/// What each crate may use of ours. `test-support` and dev-dependencies are not layers.
const LAYERS: &[(&str, &[&str])] = &[
    ("protocol", &[]),
    ("policy", &[]),
    ("workspace", &["policy", "protocol"]),
    ("sandbox", &["policy"]),
    ("tools", &["policy", "protocol", "sandbox", "workspace"]),
    ("model", &["protocol"]),
    ("query", &["protocol"]),
    ("managed", &["policy", "protocol", "query"]),
    ("store", &["protocol"]),
    (
        "session",
        &[
            "managed",
            "model",
            "policy",
            "protocol",
            "query",
            "store",
            "tools",
            "workspace",
        ],
    ),
    ("schedule", &["session", "protocol"]),
    ("telemetry", &["session"]),
    ("lsp", &["schedule", "session", "protocol"]),
    ("acp", &["schedule", "session", "protocol"]),
    (
        "cli",
        &["acp", "lsp", "schedule", "session", "telemetry", "protocol"],
    ),
    ("test-support", &["protocol"]),
    ("xtask", &["protocol"]),
    ("tests", &["test-support"]),
];

/// Technologies that few crates may know, most of them one alone.
const OWNERS: &[(&str, &[&str])] = &[
    ("tower-lsp-server", &["lsp"]),
    ("agent-client-protocol", &["acp"]),
    ("wasmtime", &["sandbox"]),
    ("wasmtime-wasi", &["sandbox"]),
    ("wasmtime-wasi-http", &["sandbox"]),
    ("hyper", &["sandbox"]),
    ("tokio-rustls", &["sandbox"]),
    ("rusqlite", &["store"]),
    ("reqwest", &["model", "telemetry"]),
    ("opentelemetry", &["telemetry"]),
    ("opentelemetry_sdk", &["telemetry"]),
    ("opentelemetry-otlp", &["telemetry"]),
    ("opentelemetry-http", &["telemetry"]),
    ("sse-stream", &["model"]),
    ("git2", &["workspace"]),
    ("imara-diff", &["workspace"]),
    ("clap", &["cli"]),
    ("croner", &["schedule"]),
];

/// Crates that a sans-I/O or pure crate may not use.
const PURE: &[&str] = &["protocol", "policy", "query"];
const IMPURE: &[&str] = &[
    "tokio",
    "reqwest",
    "wasmtime",
    "rusqlite",
    "git2",
    "tower-lsp-server",
];

fn metadata() -> Vec<Package> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let metadata = MetadataCommand::new()
        .manifest_path(manifest)
        .no_deps()
        .exec();
    metadata
        .expect("cargo metadata works in a checkout")
        .packages
}

fn short(name: &str) -> &str {
    name.strip_prefix("boxagnts-").unwrap_or(name)
}

/// Names of the dependencies that end up in the product.
fn normal_dependencies(package: &Package) -> BTreeSet<&str> {
    let normal = package
        .dependencies
        .iter()
        .filter(|d| d.kind != DependencyKind::Development);
    normal.map(|d| d.name.as_str()).collect()
}

/// Everything that is wrong with the dependencies of `packages`.
fn violations(packages: &[(&str, BTreeSet<&str>)]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, dependencies) in packages {
        let name = short(name);
        let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == name) else {
            found.push(format!(
                "`{name}` has no place in the layers: add it to LAYERS"
            ));
            continue;
        };
        for dependency in dependencies {
            match dependency.strip_prefix("boxagnts-") {
                Some(ours) if !allowed.contains(&ours) => {
                    found.push(format!("`{name}` must not use `{ours}`"));
                }
                _ => {}
            }
            let owned = OWNERS.iter().find(|(krate, _)| krate == dependency);
            if let Some((krate, owners)) = owned
                && !owners.contains(&name)
                && !["xtask", "test-support", "tests"].contains(&name)
            {
                found.push(format!(
                    "`{name}` must not use `{krate}`: only `{}` knows it",
                    owners.join("` and `")
                ));
            }
            if PURE.contains(&name) && IMPURE.contains(dependency) {
                found.push(format!("`{name}` is pure and must not use `{dependency}`"));
            }
        }
    }
    found
}

#[test]
fn crates_keep_to_their_layers() {
    let packages = metadata();
    let view: Vec<_> = packages
        .iter()
        .map(|p| (p.name.as_str(), normal_dependencies(p)))
        .collect();
    assert_eq!(violations(&view), Vec::<String>::new());
    assert_eq!(
        view.len(),
        LAYERS.len(),
        "LAYERS names crates that are gone"
    );
}

#[test]
fn a_forbidden_dependency_is_found() {
    let check = |name: &str, dependency: &str, expect: &str| {
        let found = violations(&[(name, BTreeSet::from([dependency]))]);
        assert!(
            found.iter().any(|v| v.contains(expect)),
            "{name} → {dependency}: {found:?}"
        );
    };
    check("boxagnts-query", "boxagnts-model", "must not use `model`");
    check(
        "boxagnts-sandbox",
        "boxagnts-workspace",
        "must not use `workspace`",
    );
    check("boxagnts-tools", "wasmtime", "only `sandbox` knows it");
    check("boxagnts-policy", "tokio", "is pure");
    check("boxagnts-nowhere", "serde", "no place in the layers");
}

#[test]
fn every_crate_inherits_the_workspace_lints() {
    for package in metadata() {
        let manifest = std::fs::read_to_string(&package.manifest_path).expect("manifest is there");
        let inherits = manifest.contains("[lints]\nworkspace = true");
        assert!(
            inherits,
            "{} does not inherit the workspace lints",
            package.name
        );
    }
}
