//! Where settings come from: finds the configuration files and puts the layers over each other.

use crate::args::{GovernanceArgs, ModeArg};
use crate::exit::Failure;
use boxagnts_session::policy::config::{Builder, Config, ConfigError, Layer};
use boxagnts_session::policy::limits::Limit;
use boxagnts_session::workspace;
use serde::Serialize;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Longest file that can be a configuration.
const MAX_BYTES: u64 = 1 << 20;

/// The project's file, below the workspace folder.
const PROJECT_FILE: &str = ".boxagnts/config.toml";

/// What the project says to models, in the workspace folder too.
const INSTRUCTIONS: &str = "AGENTS.md";

/// What the command line sets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overrides {
    pub(crate) model: Option<String>,
    pub(crate) mode: Option<ModeArg>,
    pub(crate) governance: GovernanceArgs,
}

/// A place where a configuration file may be.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ConfigFile {
    pub(crate) layer: &'static str,
    pub(crate) path: PathBuf,
    pub(crate) found: bool,
}

/// All layers over each other.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    pub(crate) files: Vec<ConfigFile>,
    /// What is wrong with the project's file, for its user; nothing that stops the program.
    pub(crate) problems: Vec<String>,
}

/// Reads every layer for a workspace folder. `editor` are an editor's settings.
///
/// # Errors
/// Settings that the user, the editor or the command line gave and that cannot be used. A project
/// file cannot stop the program.
pub(crate) fn load(
    workspace: &Path,
    editor: Option<&serde_json::Value>,
    overrides: &Overrides,
) -> Result<Loaded, Failure> {
    let mut builder = Config::builder();
    let mut files = Vec::new();
    if let Some(user) = user_file() {
        let text = read(&user.path).map_err(|reason| {
            Failure::usage(format!(
                "cannot read the configuration {}: {reason}",
                show(&user.path)
            ))
        })?;
        if text.is_none() && user.must_exist {
            return Err(Failure::usage(format!(
                "BOXAGNTS_CONFIG names {}, and there is no such file",
                show(&user.path)
            )));
        }
        if let Some(text) = &text {
            builder.add_toml(Layer::User, &show(&user.path), text)?;
        }
        files.push(ConfigFile {
            layer: "user",
            path: user.path,
            found: text.is_some(),
        });
    }

    let mut problems = Vec::new();
    let path = workspace.join(PROJECT_FILE);
    let found = add_project(&mut builder, &path).unwrap_or_else(|problem| {
        problems.push(problem);
        true
    });
    files.push(ConfigFile {
        layer: "project",
        path,
        found,
    });

    if let Some(editor) = editor.filter(|settings| !settings.is_null()) {
        builder.add_json(Layer::Editor, "editor settings", editor)?;
    }
    add_overrides(&mut builder, overrides)?;

    let config = builder.build();
    let ignored = config.ignored().iter();
    problems.extend(ignored.map(|i| format!("ignored `{}` of {}: {}", i.name, i.origin, i.reason)));
    problems.extend(not_in_force(workspace, config.project_instructions()));
    Ok(Loaded {
        config,
        files,
        problems,
    })
}

/// As [`load`], with the problems told on standard error.
pub(crate) fn load_and_warn(workspace: &Path, overrides: &Overrides) -> Result<Config, Failure> {
    let loaded = load(workspace, None, overrides)?;
    for problem in &loaded.problems {
        crate::terminal::warn(problem);
    }
    Ok(loaded.config)
}

/// What the repository has above the workspace, where it does not count: its rules name paths from
/// there. Who made them should not believe otherwise.
fn not_in_force(workspace: &Path, instructions: bool) -> Option<String> {
    let top = workspace::top(workspace)?;
    let above = workspace.ancestors().skip(1);
    let above = above.take_while(|folder| folder.starts_with(&top));
    let names = match instructions {
        true => &[PROJECT_FILE, INSTRUCTIONS][..],
        false => &[PROJECT_FILE],
    };
    let here = |folder: &Path| {
        let files = names.iter().map(|name| folder.join(name));
        files.filter(|file| file.is_file()).collect::<Vec<_>>()
    };
    let found: Vec<(&Path, Vec<PathBuf>)> = above.map(|folder| (folder, here(folder))).collect();
    let (folder, _) = found.iter().rfind(|(_, files)| !files.is_empty())?;
    let files: Vec<String> = found
        .iter()
        .flat_map(|(_, files)| files.iter().map(|file| show(file)))
        .collect();
    let files = files.join(" and ");
    Some(format!(
        "not in force: {files}, for the workspace is {}; --workspace {} is where it holds",
        show(workspace),
        show(folder)
    ))
}

/// Whether there is such a file. Whoever wrote the repository wrote it.
fn add_project(builder: &mut Builder, path: &Path) -> Result<bool, String> {
    let ignored = |reason: String| format!("ignored {}: {reason}", show(path));
    match std::fs::symlink_metadata(path) {
        Err(_) => return Ok(false),
        // A link would let a repository have any file of the user's read.
        Ok(_) if path.parent().is_some_and(Path::is_symlink) => {
            return Err(ignored("its folder is a link".to_owned()));
        }
        Ok(metadata) if !metadata.is_file() => {
            return Err(ignored("it is no regular file".to_owned()));
        }
        Ok(_) => {}
    }
    let Some(text) = read(path).map_err(ignored)? else {
        return Ok(false);
    };
    builder
        .add_toml(Layer::Project, &show(path), &text)
        .map_err(|error| format!("ignored all of {error}"))?;
    Ok(true)
}

fn add_overrides(builder: &mut Builder, overrides: &Overrides) -> Result<(), Failure> {
    let layer = Layer::CommandLine;
    if let Some(model) = &overrides.model {
        builder.set(layer, "model", model)?;
    }
    if let Some(mode) = overrides.mode {
        builder.set(layer, "mode", mode.name())?;
    }
    let given = &overrides.governance;
    for pair in &given.limits {
        let (name, value) = key_and_value("--limit", pair)?;
        let limit = Limit::from_name(name).map_err(|error| wrong("--limit", error.to_string()))?;
        builder
            .set(layer, limit.name(), value)
            .map_err(|error| wrong("--limit", error.message))?;
    }
    for pair in &given.sets {
        let (name, value) = key_and_value("--set", pair)?;
        builder
            .set(layer, name, value)
            .map_err(|error| wrong("--set", error.message))?;
    }
    // Lists as they are: a rule may have a comma in it.
    let lists = [
        ("--allow-host", "allowed_outbound_hosts", &given.hosts),
        ("--map-dir", "map_dirs", &given.map_dirs),
        ("--allow", "allow", &given.allow),
        ("--ask", "ask", &given.ask),
        ("--deny", "deny", &given.deny),
    ];
    for (flag, key, values) in lists {
        if !values.is_empty() {
            let settings = serde_json::json!({ key: values });
            builder
                .add_json(layer, flag, &settings)
                .map_err(|error| wrong(flag, error.message))?;
        }
    }
    if let Some(folder) = &given.work_dir {
        builder
            .set(layer, "work_dir", folder)
            .map_err(|error| wrong("--work-dir", error.message))?;
    }
    Ok(())
}

fn key_and_value<'a>(flag: &str, pair: &'a str) -> Result<(&'a str, &'a str), Failure> {
    let split = pair.split_once('=').map(|(key, value)| (key.trim(), value));
    split.ok_or_else(|| {
        let message = format!("cannot read `{pair}`; expected KEY=VALUE, as in max_turns=10");
        wrong(flag, message)
    })
}

fn wrong(flag: &str, message: String) -> Failure {
    Failure::from(ConfigError {
        origin: flag.to_owned(),
        line: None,
        message,
    })
}

/// The folder of the user's configuration file: instructions, commands and skills of theirs are there,
/// too.
pub(crate) fn user_folder() -> Option<PathBuf> {
    let file = user_file()?.path;
    // A file that is named relative to where somebody stands may stand in the workspace.
    let folder = file.parent().filter(|folder| folder.is_absolute());
    folder.map(Path::to_path_buf)
}

struct UserFile {
    path: PathBuf,
    must_exist: bool,
}

/// `BOXAGNTS_CONFIG`, else below the platform's folder for configuration. `None` when the
/// environment names no home.
fn user_file() -> Option<UserFile> {
    if let Some(own) = std::env::var_os("BOXAGNTS_CONFIG").filter(|value| !value.is_empty()) {
        return Some(UserFile {
            path: PathBuf::from(own),
            must_exist: true,
        });
    }
    let folder = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    #[cfg(windows)]
    let config = folder("APPDATA");
    #[cfg(target_os = "macos")]
    let config = folder("XDG_CONFIG_HOME")
        .or_else(|| folder("HOME").map(|home| home.join("Library/Application Support")));
    #[cfg(not(any(windows, target_os = "macos")))]
    let config =
        folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")));
    let path = config?.join("boxagnts").join("config.toml");
    Some(UserFile {
        path,
        must_exist: false,
    })
}

/// The text of a file; `None` when there is none.
fn read(path: &Path) -> Result<Option<String>, String> {
    let metadata = match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
        Ok(metadata) => metadata,
    };
    // Reading a FIFO would wait for ever.
    if !metadata.is_file() {
        return Err("it is no regular file".to_owned());
    }
    if metadata.len() > MAX_BYTES {
        return Err(format!("it has more than {MAX_BYTES} bytes"));
    }
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    file.take(MAX_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| error.to_string())?;
    Ok(Some(text))
}

fn show(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overrides(limits: &[&str]) -> Overrides {
        let limits = limits.iter().map(|limit| (*limit).to_owned()).collect();
        Overrides {
            governance: GovernanceArgs {
                limits,
                ..GovernanceArgs::default()
            },
            ..Overrides::default()
        }
    }

    fn check(limits: &[&str], expect: Result<u64, &str>) {
        let mut builder = Config::builder();
        match (add_overrides(&mut builder, &overrides(limits)), expect) {
            (Ok(()), Ok(turns)) => assert_eq!(builder.build().limits().max_turns, turns),
            (Err(failure), Err(part)) => {
                assert!(failure.message.contains(part), "{}", failure.message);
            }
            (got, _) => panic!("{limits:?}: {got:?}"),
        }
    }

    #[test]
    fn limits_come_as_key_and_value() {
        check(&["max_turns=7"], Ok(7));
        check(&["max_turns=7", "max_turns = 8"], Ok(8));
        check(&["max_turns"], Err("expected KEY=VALUE"));
        check(&["max_turn=7"], Err("unknown limit `max_turn`"));
        check(&["model=openai:x"], Err("unknown limit `model`"));
        check(&["max_turns=many"], Err("a whole number"));
    }

    #[test]
    #[cfg(unix)]
    fn a_project_file_is_read_through_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().join("real");
        std::fs::create_dir(&real).unwrap();
        std::fs::write(real.join("config.toml"), "max_turns = 3").unwrap();
        let mut builder = Config::builder();
        assert_eq!(
            add_project(&mut builder, &real.join("config.toml")),
            Ok(true)
        );
        let linked = folder.path().join("linked");
        std::os::unix::fs::symlink(&real, &linked).unwrap();
        let problem = add_project(&mut builder, &linked.join("config.toml")).unwrap_err();
        assert!(problem.contains("its folder is a link"), "{problem}");
    }

    #[test]
    fn a_project_file_stops_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let mut builder = Config::builder();
        assert_eq!(add_project(&mut builder, &path), Ok(false));
        std::fs::write(&path, "max_turns = 3").unwrap();
        assert_eq!(add_project(&mut builder, &path), Ok(true));
        std::fs::write(&path, "max_turns =").unwrap();
        let problem = add_project(&mut builder, &path).unwrap_err();
        assert!(problem.contains("config.toml:1"), "{problem}");
        std::fs::write(&path, [0xff]).unwrap();
        assert!(add_project(&mut builder, &path).is_err());
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(
            add_project(&mut builder, &path)
                .unwrap_err()
                .contains("no regular file")
        );
    }
}
