//! A translator of others between our client and the model server: what it makes of both is understood.

use crate::review;
use boxagnts_test_support::{Answer, Fixture, ModelServer};
use boxagnts_tests::World;
use serde_json::{Value, json};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const KEY: &str = "sk-of-the-proxy";
/// Longest wait for a Python program to load, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(180);

/// Calls a tool, and says that it is done when it hears of the result.
fn answer(body: &Value) -> Answer {
    let text = body["messages"].to_string();
    let heard = text.contains("\"role\":\"tool\"") || text.contains("\"tool_result\"");
    let usage = json!({"input_tokens": 100, "output_tokens": 20});
    Answer::turn(match heard {
        true => json!({"text": "It is söme now.", "usage": usage}),
        false => json!({
            "text": "I change it.", "usage": usage,
            "tool_calls": [{"name": "edit", "input": {"path": "a.txt",
                "edits": [{"old_text": "one \"two\"", "new_text": "söme \"two\""}]}}],
        }),
    })
}

/// The proxy; it ends with the value.
struct Proxy {
    child: Child,
    port: u16,
}

impl Proxy {
    fn start(program: &std::path::Path, folder: &TempDir, mock: &ModelServer) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let model = |name: &str, model: &str, base: &str| {
            json!({"model_name": name, "litellm_params":
                {"model": model, "api_base": base, "api_key": "none"}})
        };
        let base = mock.base_url();
        // YAML can be JSON.
        let config = json!({
            "model_list": [
                model("chat", "hosted_vllm/m", &format!("{base}/v1")),
                model("messages", "anthropic/m", base),
            ],
            "general_settings": {"master_key": KEY},
            "litellm_settings": {"telemetry": false},
        });
        let path = folder.path().join("litellm.yaml");
        std::fs::write(&path, config.to_string()).expect("written");
        let child = Command::new(program)
            .arg("--config")
            .arg(&path)
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
            .env("HOME", folder.path())
            .env_remove("HTTP_PROXY")
            .env_remove("HTTPS_PROXY")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("litellm starts");
        let mut proxy = Proxy { child, port };
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                proxy.child.try_wait().is_ok_and(|ended| ended.is_none()),
                "it ended"
            );
            assert!(Instant::now() < until, "it does not listen");
            std::thread::sleep(Duration::from_millis(100));
        }
        proxy
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn our_client_works_through_a_translator_of_others() {
    let program = review::editors().join("litellm/bin/litellm");
    if !program.is_file() {
        // It is 756 MB of Python, and no part of CI.
        eprintln!("skipped: `tests/setup litellm` installs litellm");
        return;
    }
    let mock = ModelServer::with(|request| answer(&request.body));
    let folder = TempDir::new().expect("a folder");
    let proxy = Proxy::start(&program, &folder, &mock);
    let host = format!("http://127.0.0.1:{}", proxy.port);
    for (model, kind, base) in [
        ("chat", "openai-chat", format!("{host}/v1")),
        ("messages", "openai-chat", format!("{host}/v1")),
        ("messages", "anthropic", host.clone()),
        ("chat", "anthropic", host.clone()),
    ] {
        let what = format!("{kind} to {model}");
        let (home, fixture) = (
            TempDir::new().expect("a folder"),
            Fixture::new("//- /a.txt\none \"two\"\n"),
        );
        let world = World::new(home.path());
        world.configure(&format!(
            "model = \"proxy:{model}\"\n[providers.proxy]\nkind = \"{kind}\"\nbase_url = \"{base}\"\n\
             api_key_env = \"PROXY_KEY\"\n"
        ));
        let before = mock.requests().len();
        let output = world
            .command(&["run", "change it"])
            .env("PROXY_KEY", KEY)
            .current_dir(fixture.path())
            .stdin(Stdio::null())
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        let diff = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{what}: {said}");
        assert!(diff.contains("+söme \"two\""), "{what}: {diff}{said}");
        assert!(said.contains("It is söme now."), "{what}: {said}");
        assert_eq!(mock.requests().len() - before, 2, "{what}");
    }
}
