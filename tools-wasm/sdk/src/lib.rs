//! What a tool is written with: [`tool!`] turns a typed input and a function into a component.
//!
//! ```ignore
//! /// Fields are documented for the model.
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! pub struct Input {
//!     /// File to delete.
//!     path: String,
//! }
//!
//! fn run(input: Input) -> Result<Output, Error> { … }
//!
//! boxagnts_tool_sdk::tool! {
//!     name: "delete", level: Write, capabilities: [WorkspaceWrite],
//!     description: "Delete a file.",
//!     input: Input, run: run,
//! }
//! ```

#[cfg(target_arch = "wasm32")]
pub mod abi;
pub mod fs;
pub mod http;
mod schema;
mod text;

pub use schema::input_schema;
pub use text::{Lines, count, plural};

use serde::Serialize;

/// How much a tool asks to be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Reads the workspace.
    Read,
    /// Proposes changes.
    Write,
    /// Talks to other machines.
    Network,
}

/// Interfaces of the host that a tool imports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// Reading files.
    WorkspaceRead,
    /// Changing files.
    WorkspaceWrite,
    /// Asking web servers.
    Http,
    /// Telling what goes on.
    Progress,
}

/// What a tool says of itself.
#[derive(Debug, Clone, Serialize)]
pub struct Spec {
    /// Its name.
    pub name: &'static str,
    /// For the model.
    pub description: &'static str,
    /// JSON Schema of its input.
    pub input_schema: serde_json::Value,
    /// The level that it asks for.
    pub level: Level,
    /// What it imports.
    pub capabilities: Vec<Capability>,
}

/// What a tool answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// For the model.
    pub text: String,
    /// Whether something was left out; the text says how to get it.
    pub truncated: bool,
}

impl Output {
    /// Everything that there is to say.
    pub fn new(text: impl Into<String>) -> Output {
        Output {
            text: text.into(),
            truncated: false,
        }
    }

    /// As `new`, with something left out.
    pub fn cut(text: impl Into<String>) -> Output {
        Output {
            text: text.into(),
            truncated: true,
        }
    }
}

/// Why a tool cannot answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The input cannot be used: which field, and why.
    InvalidInput(String),
    /// The work cannot be done: why, and what to try.
    Failed(String),
}

impl From<fs::Error> for Error {
    fn from(error: fs::Error) -> Error {
        Error::Failed(error.message)
    }
}

impl From<http::Error> for Error {
    fn from(error: http::Error) -> Error {
        Error::Failed(error.message)
    }
}

/// Shorthand for [`Error::Failed`].
pub fn failed<T>(message: impl Into<String>) -> Result<T, Error> {
    Err(Error::Failed(message.into()))
}

/// Reads a tool's input and runs it.
pub fn dispatch<I: serde::de::DeserializeOwned>(
    input: &str,
    run: fn(I) -> Result<Output, Error>,
) -> Result<Output, Error> {
    match serde_json::from_str(input) {
        Ok(input) => run(input),
        Err(error) => Err(Error::InvalidInput(error.to_string())),
    }
}

/// Declares a tool: its `spec()`, and the component's exports.
#[macro_export]
macro_rules! tool {
    (
        name: $name:literal, level: $level:ident, capabilities: [$($capability:ident),*],
        description: $description:expr,
        input: $input:ty, run: $run:path $(,)?
    ) => {
        /// What this tool says of itself.
        pub fn spec() -> $crate::Spec {
            $crate::Spec {
                name: $name,
                description: $description,
                input_schema: $crate::input_schema::<$input>(),
                level: $crate::Level::$level,
                capabilities: vec![$($crate::Capability::$capability),*],
            }
        }

        /// Runs this tool on JSON.
        pub fn call(input: &str) -> Result<$crate::Output, $crate::Error> {
            $crate::dispatch::<$input>(input, $run)
        }

        #[cfg(target_arch = "wasm32")]
        mod component {
            struct Component;

            impl $crate::abi::Guest for Component {
                fn describe() -> $crate::abi::Spec {
                    $crate::abi::spec(super::spec())
                }

                fn run(input: String) -> Result<$crate::abi::Output, $crate::abi::ToolError> {
                    $crate::abi::result(super::call(&input))
                }
            }

            $crate::abi::export!(Component with_types_in $crate::abi);
        }
    };
}
