//! Help texts of every style that people meet, and what is made of them.

use super::*;
use boxagnts_policy::permission::Level;
use expect_test::{Expect, expect};
use proptest::prelude::*;
use std::fmt::Write;

/// One line for everything that is not a property, and one for each property.
fn shown(help: &Help) -> String {
    let name = help.name.as_deref().unwrap_or("?");
    let mut text = format!("{name}: {}\n", help.description);
    if let Some(level) = &help.level {
        let _ = writeln!(text, "level: {level:?}");
    }
    let schema = help.input_schema.as_object().unwrap();
    for (key, value) in schema {
        match (key.as_str(), value.as_object()) {
            ("properties", Some(properties)) => {
                for (key, value) in properties {
                    let _ = writeln!(text, "  {key}: {value}");
                }
            }
            ("type" | "propertyNames", _) => {}
            _ => {
                let _ = writeln!(text, "{key}: {value}");
            }
        }
    }
    if help.invocation != Invocation::default() {
        let _ = writeln!(text, "{}", serde_json::to_string(&help.invocation).unwrap());
    }
    text
}

fn check(text: &str, expect: Expect) {
    expect.assert_eq(&shown(&parse(text)));
}

#[test]
fn clap_4_short() {
    check(
        "\
Search a folder for files that hold a pattern

Permission level: read

Usage: finder.wasm [OPTIONS] --pattern <PATTERN> [PATHS]...

Arguments:
  [PATHS]...  Folders to look into [default: .]

Options:
  -p, --pattern <PATTERN>      What to look for
      --file-path <FILE_PATH>  A file that lists more
                               patterns, one a line
  -m, --max-count <N>          Stop after so many [default: 100]
      --color <WHEN>           Colour the output [default: auto] [possible values: auto, always, never]
  -i, --ignore-case            Upper and lower case are the same
      --glob <GLOB>...         Only these
  -v, --verbose...             Say more
      --strict <STRICT>        Fail on unreadable files [possible values: true, false]
  -h, --help                   Print help (see more with '--help')
  -V, --version                Print version
",
        expect![[r#"
            finder: Search a folder for files that hold a pattern

            Permission level: read
            level: Level(Read)
              pattern: {"type":"string","description":"What to look for"}
              file_path: {"type":"string","description":"A file that lists more patterns, one a line"}
              max_count: {"type":"integer","default":100,"description":"Stop after so many"}
              color: {"type":"string","enum":["auto","always","never"],"default":"auto","description":"Colour the output"}
              ignore_case: {"type":"boolean","description":"Upper and lower case are the same"}
              glob: {"type":"array","items":{"type":"string"},"description":"Only these"}
              verbose: {"type":"boolean","description":"Say more"}
              strict: {"type":"boolean","description":"Fail on unreadable files"}
              paths: {"type":"array","items":{"type":"string"},"default":["."],"description":"Folders to look into"}
            required: ["pattern"]
            {"positional":["paths"],"explicit":["strict"]}
        "#]],
    );
}

#[test]
fn clap_4_long() {
    check(
        "\
\x1b[1mEdits\x1b[0m a file.

Replaces one text by another, everywhere.

Usage: edit --file-path <FILE_PATH> --old-string <OLD_STRING> --new-string <NEW_STRING>

Options:
  -f, --file-path <FILE_PATH>
          The file to edit

          It must exist.

  -o, --old-string <OLD_STRING>
          --old-string is what is there

      --new-string <NEW_STRING>
          What to put there

      --mode <MODE>
          How to match

          Possible values:
          - exact: Byte for byte
          - fuzzy: Whatever the spaces

          [default: exact]

  -r
          Every place

      --dry-run
          --dry-run only says what it would do

  -h, --help
          Print help
",
        expect![[r#"
            edit: Edits a file.

            Replaces one text by another, everywhere.
              file_path: {"type":"string","description":"The file to edit It must exist."}
              old_string: {"type":"string","description":"--old-string is what is there"}
              new_string: {"type":"string","description":"What to put there"}
              mode: {"type":"string","enum":["exact","fuzzy"],"default":"exact","description":"How to match Possible values: - exact: Byte for byte - fuzzy: Whatever the spaces"}
              r: {"type":"boolean","description":"Every place"}
              dry_run: {"type":"boolean","description":"--dry-run only says what it would do"}
            required: ["file_path","old_string","new_string"]
        "#]],
    );
}

#[test]
fn clap_2_and_3() {
    check(
        "\
wc-tool 0.3.1
Jane Doe <jane@example.com>
Counts lines and words

USAGE:
    wc-tool [FLAGS] [OPTIONS] <FILE> [OUTPUT]

FLAGS:
    -h, --help       Prints help information
    -l, --lines      Counts lines
    -V, --version    Prints version information

OPTIONS:
    -e, --encoding <ENC>    The encoding [default: utf-8]  [possible values: utf-8, latin-1]
        --jobs <jobs>       How many at a time

ARGS:
    <FILE>      The file to count
    <OUTPUT>    Where to write
",
        expect![[r#"
            wc-tool: Counts lines and words
              lines: {"type":"boolean","description":"Counts lines"}
              encoding: {"type":"string","enum":["utf-8","latin-1"],"default":"utf-8","description":"The encoding"}
              jobs: {"type":"string","description":"How many at a time"}
              file: {"type":"string","description":"The file to count"}
              output: {"type":"string","description":"Where to write"}
            required: ["file"]
            {"positional":["file","output"]}
        "#]],
    );
}

#[test]
fn argparse() {
    check(
        "\
usage: resize.py [-h] [--width WIDTH] [--format {png,jpeg}]
                 [--tags TAG [TAG ...]] --out OUT [--quiet | --loud]
                 image [image ...]

Make images smaller.

positional arguments:
  image                 files to read

options:
  -h, --help            show this help message and exit
  --width WIDTH, -w WIDTH
                        new width in pixels (default: 640)
  --format {png,jpeg}   what to write (default: png)
  --tags TAG [TAG ...]  words to attach
  --out OUT             folder for results
  --quiet
  --loud                say a lot

Report bugs to nobody.
",
        expect![[r#"
            resize: Make images smaller.
              width: {"type":"string","default":"640","description":"new width in pixels"}
              format: {"type":"string","enum":["png","jpeg"],"default":"png","description":"what to write"}
              tags: {"type":"array","items":{"type":"string"},"description":"words to attach"}
              out: {"type":"string","description":"folder for results"}
              quiet: {"type":"boolean"}
              loud: {"type":"boolean","description":"say a lot"}
              image: {"type":"array","items":{"type":"string"},"description":"files to read"}
            required: ["out","image"]
            {"positional":["image"]}
        "#]],
    );
}

#[test]
fn gnu() {
    check(
        "\
Usage: grep [OPTION]... PATTERNS [FILE]...
Search for PATTERNS in each FILE.
Example: grep -i 'hello world' menu.h main.c

Pattern selection and interpretation:
  -E, --extended-regexp     PATTERNS are extended regular expressions
  -e, --regexp=PATTERNS     use PATTERNS for matching
      --color[=WHEN],
      --colour[=WHEN]       use markers to highlight the matching strings;
                            WHEN is 'always', 'never', or 'auto'

Output control:
  -m, --max-count=NUM       stop after NUM selected lines
  -NUM                      same as --context=NUM

When FILE is '-', read standard input.
",
        expect![[r#"
            grep: Search for PATTERNS in each FILE.
            Example: grep -i 'hello world' menu.h main.c
              extended_regexp: {"type":"boolean","description":"PATTERNS are extended regular expressions"}
              regexp: {"type":"string","description":"use PATTERNS for matching"}
              color: {"type":["string","boolean"]}
              colour: {"type":["string","boolean"],"description":"use markers to highlight the matching strings; WHEN is 'always', 'never', or 'auto'"}
              max_count: {"type":"integer","description":"stop after NUM selected lines"}
              patterns: {"type":"string"}
              file: {"type":"array","items":{"type":"string"}}
            required: ["patterns"]
            {"positional":["patterns","file"]}
        "#]],
    );
}

#[test]
fn getopt() {
    check(
        "\
usage: cut -b list [-n] [file ...]
       cut -f list [-d delim] [-s] [file ...]
  -b LIST   select only these bytes
  -d DELIM  use DELIM instead of a tab
  -f LIST   select only these fields
  -n        do not split characters
",
        expect![[r#"
            cut: 
              b: {"type":"string","description":"select only these bytes"}
              d: {"type":"string","description":"use DELIM instead of a tab"}
              f: {"type":"string","description":"select only these fields"}
              n: {"type":"boolean","description":"do not split characters"}
              s: {"type":"boolean"}
              file: {"type":"array","items":{"type":"string"}}
            {"positional":["file"]}
        "#]],
    );
}

#[test]
fn go() {
    check(
        "\
Usage of ./fetcher:
  -depth int
    \thow far to follow (default 3)
  -name string
    \tname to look for (default \"index\")
  -ratio float
    \thow much to keep
  -timeout duration
    \thow long to wait (default 5s)
  -v\tsay more
",
        expect![[r#"
            fetcher: 
              depth: {"type":"integer","default":3,"description":"how far to follow"}
              name: {"type":"string","default":"index","description":"name to look for"}
              ratio: {"type":"number","description":"how much to keep"}
              timeout: {"type":"string","default":"5s","description":"how long to wait"}
              v: {"type":"boolean","description":"say more"}
            {"spelled":{"depth":"-depth","name":"-name","ratio":"-ratio","timeout":"-timeout"}}
        "#]],
    );
}

#[test]
fn cobra_and_urfave() {
    check(
        "\
Deploys things.

Usage:
  deploy [flags]
  deploy [command]

Available Commands:
  completion  Generate the autocompletion script
  help        Help about any command
  up          Brings it up

Flags:
  -c, --config string   config file (default \"deploy.yaml\")
  -h, --help            help for deploy
  -t, --toggle          Help message for toggle

Use \"deploy [command] --help\" for more information about a command.
",
        expect![[r#"
            deploy: Deploys things.

            Its subcommands cannot be called: completion, up.
              config: {"type":"string","default":"deploy.yaml","description":"config file"}
              toggle: {"type":"boolean","description":"Help message for toggle"}
        "#]],
    );
    check(
        "\
NAME:
   greet - say a greeting

USAGE:
   greet [global options] command [command options] [arguments...]

COMMANDS:
   help, h  Shows a list of commands

GLOBAL OPTIONS:
   --lang value, -l value  language (default: \"english\")
   --help, -h              show help
",
        expect![[r#"
            greet: say a greeting
              lang: {"type":"string","default":"english","description":"language"}
        "#]],
    );
}

#[test]
fn binutils() {
    check(
        "\
Usage: objcopy [option(s)] in-file [out-file]
 Copies a binary file, possibly transforming it in the process
 The options are:
  -I --input-target <bfdname>      Assume input file is in format <bfdname>
     --debugging                   Convert debugging information, if possible
",
        expect![[r#"
            objcopy: Copies a binary file, possibly transforming it in the process
              input_target: {"type":"string","description":"Assume input file is in format <bfdname>"}
              debugging: {"type":"boolean","description":"Convert debugging information, if possible"}
              in_file: {"type":"string"}
              out_file: {"type":"string"}
            required: ["in_file"]
            {"positional":["in_file","out_file"]}
        "#]],
    );
    check(
        "\
Usage: ld [options] file...
Options:
  -o FILE, --output FILE      Set output file name
",
        expect![[r#"
            ld: 
              output: {"type":"string","description":"Set output file name"}
              file: {"type":"array","items":{"type":"string"}}
            required: ["file"]
            {"positional":["file"]}
        "#]],
    );
}

#[test]
fn docopt() {
    check(
        "\
Naval Fate.

Usage:
  naval_fate ship new <name>...
  naval_fate ship [<name>] move <x> <y> [--speed=<kn>]
  naval_fate (-h | --help)

Options:
  -h --help     Show this screen.
  --speed=<kn>  Speed in knots [default: 10].
  --moored      Moored (anchored) mine.
",
        expect![[r#"
            naval_fate: Naval Fate.

            Its subcommands cannot be called: ship, new, move.
              speed: {"type":"string","default":"10","description":"Speed in knots."}
              moored: {"type":"boolean","description":"Moored (anchored) mine."}
              name: {"type":"array","items":{"type":"string"}}
              x: {"type":"string"}
              y: {"type":"string"}
            dependentRequired: {"x":["name"],"y":["x"]}
            {"positional":["name","x","y"]}
        "#]],
    );
}

#[test]
fn yargs_and_commander() {
    check(
        "\
convert.js <input>

Converts documents

Positionals:
  input  the document                                        [string] [required]

Options:
      --help     Show help                                             [boolean]
      --version  Show version number                                   [boolean]
  -f, --format   output format
                          [string] [choices: \"html\", \"pdf\"] [default: \"html\"]
  -s, --scale    how large                                 [number] [default: 1]
      --tag      a tag                                       [array] [required]
  -w, --watch    do it again                          [boolean] [default: false]
",
        expect![[r#"
            convert: Converts documents
              format: {"type":"string","enum":["html","pdf"],"default":"html","description":"output format"}
              scale: {"type":"number","default":1,"description":"how large"}
              tag: {"type":"array","items":{"type":"string"},"description":"a tag"}
              watch: {"type":"boolean","default":false,"description":"do it again"}
              input: {"type":"string","description":"the document"}
            required: ["tag","input"]
            {"positional":["input"]}
        "#]],
    );
    check(
        "\
Usage: split [options] <string> [parts]

CLI to split text

Arguments:
  string                  text to split
  parts                   how many

Options:
  --first                 display just the first
  -s, --separator <char>  separator (default: \",\")
  --kind <kind>           what (choices: \"a\", \"b\")
  --no-trim               keep spaces
  -h, --help              display help for command
",
        expect![[r#"
            split: CLI to split text
              first: {"type":"boolean","description":"display just the first"}
              separator: {"type":"string","default":",","description":"separator"}
              kind: {"type":"string","enum":["a","b"],"description":"what"}
              no_trim: {"type":"boolean","description":"keep spaces"}
              string: {"type":"string","description":"text to split"}
              parts: {"type":"string","description":"how many"}
            required: ["string"]
            {"positional":["string","parts"]}
        "#]],
    );
}

#[test]
fn click() {
    check(
        "\
Usage: hello [OPTIONS] FILENAME

  Greets everybody that a file names.

Options:
  --count INTEGER          Number of greetings.  [default: 1; required]
  --shout / --no-shout     Loudly.
  --hash-type [md5|sha1]   Digest.
  --help                   Show this message and exit.
",
        expect![[r#"
            hello: Greets everybody that a file names.
              count: {"type":"integer","default":1,"description":"Number of greetings."}
              shout: {"type":"boolean","description":"Loudly."}
              hash_type: {"type":"string","enum":["md5","sha1"],"description":"Digest."}
              filename: {"type":"string"}
            required: ["count","filename"]
            {"positional":["filename"]}
        "#]],
    );
}

#[test]
fn levels_are_asked_for_in_words() {
    let check = |text: &str, expect: Option<Asked>| assert_eq!(parse(text).level, expect, "{text}");
    check("Permission level: write", Some(Asked::Level(Level::Write)));
    check(
        "  Reads. [level: read-only]",
        Some(Asked::Level(Level::Read)),
    );
    check("permission: network", Some(Asked::Level(Level::Network)));
    check(
        "PERMISSION_LEVEL = forbidden.",
        Some(Asked::Level(Level::Forbidden)),
    );
    check("[level: root]", Some(Asked::Unknown("root".into())));
    check("  --permission <P>  who may: all", None);
    check("permission denied", None);
    check("level", None);
}

#[test]
fn what_is_no_help_gives_nothing() {
    let check = |text: &str| {
        let help = parse(text);
        assert!(!help.is_help, "{help:?}");
        assert_eq!(help.input_schema["properties"], serde_json::json!({}));
    };
    check("");
    check("{\"ok\": true}");
    check("Error: unknown argument --help\n");
    check(&"[default".repeat(8 << 10));
}

#[test]
fn hostile_texts_are_bounded() {
    let many: String = (0..1000)
        .map(|n| format!("  --flag-{n} <X>  text\n"))
        .collect();
    let help = parse(&many);
    assert_eq!(
        help.input_schema["properties"].as_object().unwrap().len(),
        MAX_FIELDS
    );
    let long = format!("{}\nUsage: x\n", "about ".repeat(10_000));
    assert!(parse(&long).description.len() <= MAX_DESCRIPTION);
    let help = parse(&format!("Options:\n  --a  {}\n", "b ".repeat(1000)));
    let text = help.input_schema["properties"]["a"]["description"]
        .as_str()
        .unwrap();
    assert!(text.len() <= MAX_HELP);
    for piece in [
        "[",
        "(",
        "<",
        "{",
        "--",
        "-a ",
        "[default:(",
        "  -a  ",
        "|",
        "...",
        "[a ...]",
    ] {
        for begin in ["", "Usage: x ", "Options:\n  --a ", "Options:\n  --a  "] {
            parse(&format!(
                "{begin}{}",
                piece.repeat((64 << 10) / piece.len())
            ));
            parse(&format!(
                "{begin}{}",
                format!("{piece}\n  ").repeat(8 << 10)
            ));
        }
    }
}

/// What must be so whatever a text says; the fuzz target asks the same.
pub(super) fn sound(text: &str) {
    let help = parse(text);
    let schema = &help.input_schema;
    jsonschema::validator_for(schema).unwrap();
    let properties = schema["properties"].as_object().unwrap();
    assert!(properties.len() <= MAX_FIELDS);
    for key in properties.keys() {
        assert!(
            key.starts_with(|c: char| c.is_ascii_alphanumeric()),
            "{key}"
        );
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        assert!(key.chars().all(plain), "{key}");
    }
    for key in help
        .invocation
        .positional
        .iter()
        .chain(&help.invocation.explicit)
    {
        assert!(properties.contains_key(key), "{key}");
    }
    for flag in help.invocation.spelled.values() {
        assert!(entry::begins_flag(flag), "{flag}");
    }
    assert!(help.description.len() <= MAX_DESCRIPTION);
    assert!(
        !help
            .description
            .contains(|c: char| c.is_control() && c != '\n')
    );
}

proptest! {
    #[test]
    fn any_text_is_survived(text in "\\PC*") {
        sound(&text);
    }

    #[test]
    fn anything_that_looks_like_help_is_survived(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "Usage: x ", "usage:", "Options:\n", "Arguments:\n", "Commands:\n", "\n", "\n  ", "\n    ",
            "-", "--", "-f", "--file", "--a-b", "=", "[=", "<", ">", "[", "]", "{a,b}", "(", ")", "|",
            "...", " ", "  ", "FILE", "file", "N", "é", "\t", "\x08", "\x1b[1m", "[default: 1]",
            "[default: x", "[possible values: 1, 2]", "(required)", "[number]", "[array]",
            "Possible values:", "- a: b", "true|false", ",", "_", "0",
        ]), 0..60),
    ) {
        sound(&pieces.concat());
    }
}
