//! A language client that can be told how to behave: honest, stubborn or lying. Speaks to the
//! server over any pair of streams: in memory, or the stdio of the real binary.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Nothing that a test waits for takes longer, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the client does with `workspace/applyEdit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applies {
    /// Applies, tells the change, answers.
    Honestly,
    /// Applies, answers, tells the change afterwards.
    AnsweringFirst,
    /// Applies nothing and says so.
    Never,
    /// Applies nothing and says that it did.
    Lying,
    /// Applies other text than it was given and says that it did.
    Wrongly,
    /// Applies although the version is not the document's.
    WhateverTheVersion,
    /// Does not answer at all.
    Silently,
    /// Its user types a letter just before each of so many edits, which thereby come too late.
    WhileTyping(u32),
    /// Its user types by hand what the first edit of each file would do, just before the first one.
    WhileTypingTheSame,
}

/// How positions count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Units {
    /// Bytes.
    Utf8,
    /// UTF-16 code units.
    Utf16,
    /// Characters.
    Utf32,
}

#[derive(Debug, Clone)]
struct Document {
    text: String,
    version: i64,
}

/// The client.
pub struct Editor {
    writer: Box<dyn AsyncWrite + Send + Unpin>,
    incoming: UnboundedReceiver<Value>,
    root: PathBuf,
    next_id: i64,
    unanswered: BTreeSet<i64>,
    units: Units,
    documents: BTreeMap<String, Document>,
    answers: VecDeque<Option<String>>,
    /// What the next `boxagnts/question` gets for an answer. Without one it stays open.
    pub replies: VecDeque<Value>,
    /// What it does with edits.
    pub applies: Applies,
    /// Whether documents stay open whose files it moves or deletes.
    pub keeps_open: bool,
    /// Parameters of every `workspace/applyEdit`, in order.
    pub edits: Vec<Value>,
    /// Parameters of every `window/showMessageRequest`, in order.
    pub questions: Vec<Value>,
    /// Parameters of every `boxagnts/update`, in order.
    pub updates: Vec<Value>,
    /// Every other notification, in order.
    pub notifications: Vec<Value>,
    /// Every other request of the server, in order.
    pub requests: Vec<Value>,
}

impl Editor {
    /// Speaks over these streams about the workspace `root`.
    pub fn new(
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
        root: &Path,
    ) -> Editor {
        let (sender, incoming) = unbounded_channel();
        tokio::spawn(async move {
            let mut reader = BufReader::new(reader);
            while let Some(message) = read_message(&mut reader).await {
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        Editor {
            writer: Box::new(writer),
            incoming,
            root: root.to_path_buf(),
            next_id: 0,
            unanswered: BTreeSet::new(),
            units: Units::Utf16,
            documents: BTreeMap::new(),
            answers: VecDeque::new(),
            replies: VecDeque::new(),
            applies: Applies::Honestly,
            keeps_open: false,
            edits: Vec::new(),
            questions: Vec::new(),
            updates: Vec::new(),
            notifications: Vec::new(),
            requests: Vec::new(),
        }
    }

    /// Says hello with these capabilities; `options` are the initialization options.
    pub async fn initialize(&mut self, capabilities: Value, options: Value) -> Value {
        let root = self.uri("");
        let root = root.trim_end_matches('/');
        let params = json!({
            "processId": null,
            "rootUri": root,
            "workspaceFolders": [{"uri": root, "name": "w"}],
            "capabilities": capabilities,
            "initializationOptions": options,
        });
        let answer = self
            .request("initialize", params)
            .await
            .expect("initialize is answered");
        self.units = match answer["capabilities"]["positionEncoding"].as_str() {
            Some("utf-8") => Units::Utf8,
            Some("utf-32") => Units::Utf32,
            _ => Units::Utf16,
        };
        self.notify("initialized", json!({})).await;
        answer
    }

    /// The URI of a file of the workspace.
    pub fn uri(&self, path: &str) -> String {
        format!("file://{}/{path}", self.root.display())
    }

    /// Opens a document with `text`, whatever is on disk.
    pub async fn open(&mut self, path: &str, text: &str) {
        let uri = self.uri(path);
        let document = Document {
            text: text.to_owned(),
            version: 1,
        };
        self.documents.insert(uri.clone(), document);
        let item = json!({"uri": uri, "languageId": "plain", "version": 1, "text": text});
        self.notify("textDocument/didOpen", json!({"textDocument": item}))
            .await;
    }

    /// Replaces the first occurrence of `old` in a document, as a user who types.
    pub async fn type_over(&mut self, path: &str, old: &str, new: &str) {
        let uri = self.uri(path);
        let text = self.documents[&uri].text.clone();
        let at = text
            .find(old)
            .unwrap_or_else(|| panic!("`{old}` is in {path}"));
        let range = json!({
            "start": position(&text, at, self.units),
            "end": position(&text, at + old.len(), self.units),
        });
        self.change(&uri, json!([{"range": range, "text": new}]))
            .await;
    }

    /// Applies content changes to a document and tells the server.
    pub async fn change(&mut self, uri: &str, changes: Value) {
        let units = self.units;
        let document = self.documents.get_mut(uri).expect("the document is open");
        for change in changes.as_array().expect("an array of changes") {
            let new = change["text"].as_str().expect("text");
            match change.get("range") {
                Some(range) => replace(&mut document.text, range, new, units),
                None => new.clone_into(&mut document.text),
            }
        }
        document.version += 1;
        let identifier = json!({"uri": uri, "version": document.version});
        let params = json!({"textDocument": identifier, "contentChanges": changes});
        self.notify("textDocument/didChange", params).await;
    }

    /// Writes a document to its file and tells the server.
    pub async fn save(&mut self, path: &str) {
        let uri = self.uri(path);
        std::fs::write(self.root.join(path), &self.documents[&uri].text).expect("saved");
        self.notify(
            "textDocument/didSave",
            json!({"textDocument": {"uri": uri}}),
        )
        .await;
    }

    /// Closes a document.
    pub async fn close(&mut self, path: &str) {
        let uri = self.uri(path);
        self.documents.remove(&uri);
        self.notify(
            "textDocument/didClose",
            json!({"textDocument": {"uri": uri}}),
        )
        .await;
    }

    /// The text of an open document.
    pub fn text(&self, path: &str) -> &str {
        &self.documents[&self.uri(path)].text
    }

    /// The version of an open document.
    pub fn version(&self, path: &str) -> i64 {
        self.documents[&self.uri(path)].version
    }

    /// What the next question gets for an answer; `None` dismisses it. Without one, questions stay
    /// open.
    pub fn will_answer(&mut self, title: Option<&str>) {
        self.answers.push_back(title.map(str::to_owned));
    }

    /// Runs a command. `Err` is the JSON-RPC error.
    pub async fn command(&mut self, command: &str, argument: Value) -> Result<Value, Value> {
        let params = json!({"command": command, "arguments": [argument]});
        self.request("workspace/executeCommand", params).await
    }

    /// Asks in a new session and waits for the turn's end; gives the session.
    pub async fn ask(&mut self, prompt: &str) -> String {
        let asked = self
            .command("boxagnts.ask", json!({"prompt": prompt}))
            .await
            .expect("asked");
        let session = asked["session"].as_str().expect("a session").to_owned();
        self.turn_end(&session).await;
        session
    }

    /// Waits for the end of a session's turn, from what has not been looked at yet.
    pub async fn turn_end(&mut self, session: &str) -> Value {
        self.update(|update| update["event"] == "turn_ended" && update["session"] == session)
            .await
    }

    /// Takes the first update that fits, waiting for it when there is none yet.
    pub async fn update(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            if let Some(at) = self.updates.iter().position(&fits) {
                return self.updates.remove(at);
            }
            self.pump().await;
        }
    }

    /// Takes the first notification of that method, waiting for it when there is none yet.
    pub async fn notification(&mut self, method: &str) -> Value {
        loop {
            if let Some(at) = self
                .notifications
                .iter()
                .position(|n| n["method"] == method)
            {
                return self.notifications.remove(at)["params"].take();
            }
            self.pump().await;
        }
    }

    /// Handles messages until `done` says so.
    pub async fn until(&mut self, done: impl Fn(&Editor) -> bool) {
        while !done(self) {
            self.pump().await;
        }
    }

    /// What a session proposes.
    pub async fn proposal(&mut self, session: &str) -> Value {
        self.command("boxagnts.proposal", json!({"session": session}))
            .await
            .expect("a proposal")
    }

    /// Sends a request and waits for the answer, serving the server meanwhile.
    pub async fn request(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.send_request(method, params).await;
        loop {
            let message = self.receive().await;
            if message.get("method").is_none() && message["id"] == id {
                self.unanswered.remove(&id);
                return match message.get("error") {
                    Some(error) => Err(error.clone()),
                    None => Ok(message["result"].clone()),
                };
            }
            self.serve(message).await;
        }
    }

    /// Sends a request and does not wait.
    pub async fn send_request(&mut self, method: &str, params: Value) -> i64 {
        self.next_id += 1;
        let id = self.next_id;
        self.unanswered.insert(id);
        let mut message = json!({"jsonrpc": "2.0", "id": id, "method": method});
        if !params.is_null() {
            message["params"] = params;
        }
        self.send(message).await;
        id
    }

    /// Sends a notification.
    pub async fn notify(&mut self, method: &str, params: Value) {
        self.send(json!({"jsonrpc": "2.0", "method": method, "params": params}))
            .await;
    }

    /// Sends bytes as they are, framed.
    pub async fn send_raw(&mut self, body: &str) {
        let framed = format!("Content-Length: {}\r\n\r\n{body}", body.len());
        self.writer
            .write_all(framed.as_bytes())
            .await
            .expect("the server reads");
        self.writer.flush().await.expect("the server reads");
    }

    async fn send(&mut self, message: Value) {
        self.send_raw(&message.to_string()).await;
    }

    /// The next message of the server, whatever it is.
    pub async fn receive(&mut self) -> Value {
        match tokio::time::timeout(PATIENCE, self.incoming.recv()).await {
            Ok(Some(message)) => message,
            Ok(None) => panic!("the server has closed its output"),
            Err(_) => panic!(
                "nothing came for {PATIENCE:?}; updates {:?}, notifications {:?}",
                self.updates, self.notifications
            ),
        }
    }

    /// Says goodbye.
    pub async fn shut_down(&mut self) {
        self.request("shutdown", Value::Null)
            .await
            .expect("shutdown is answered");
        self.send(json!({"jsonrpc": "2.0", "method": "exit"})).await;
    }

    async fn pump(&mut self) {
        let message = self.receive().await;
        self.serve(message).await;
    }

    /// Does what a client does with a message of the server.
    async fn serve(&mut self, mut message: Value) {
        let method = message["method"].as_str().unwrap_or_default().to_owned();
        let Some(id) = message.get("id").cloned() else {
            match method.as_str() {
                "boxagnts/update" => self.updates.push(message["params"].take()),
                _ => self.notifications.push(message),
            }
            return;
        };
        let params = message["params"].clone();
        match method.as_str() {
            "workspace/applyEdit" => self.apply(id, params).await,
            "window/showMessageRequest" => {
                self.questions.push(params);
                if let Some(answer) = self.answers.pop_front() {
                    self.answer(
                        id,
                        answer.map_or(Value::Null, |title| json!({"title": title})),
                    )
                    .await;
                }
            }
            "boxagnts/question" => {
                self.requests.push(message);
                if let Some(reply) = self.replies.pop_front() {
                    self.answer(id, reply).await;
                }
            }
            "window/showDocument" => {
                self.requests.push(message);
                self.answer(id, json!({"success": true})).await;
            }
            // Of a request whose answer the test does not wait for; a second one would be wrong.
            "" => assert!(
                self.unanswered.remove(&id.as_i64().unwrap_or_default()),
                "an answer that nobody waits for: {message}"
            ),
            _ => {
                self.requests.push(message);
                self.answer(id, Value::Null).await;
            }
        }
    }

    async fn answer(&mut self, id: Value, result: Value) {
        self.send(json!({"jsonrpc": "2.0", "id": id, "result": result}))
            .await;
    }

    /// Moves and deletes files, and their documents with them.
    async fn operate(&mut self, edit: &Value) {
        for change in edit["documentChanges"]
            .as_array()
            .cloned()
            .unwrap_or_default()
        {
            let closed = match change["kind"].as_str() {
                Some("rename") => {
                    let (old, new) = (path_of(&change["oldUri"]), path_of(&change["newUri"]));
                    if let Some(folder) = new.parent() {
                        std::fs::create_dir_all(folder).expect("a folder");
                    }
                    std::fs::rename(old, new).expect("moved");
                    &change["oldUri"]
                }
                Some("delete") => {
                    std::fs::remove_file(path_of(&change["uri"])).expect("deleted");
                    &change["uri"]
                }
                _ => continue,
            };
            if self.keeps_open {
                continue;
            }
            let uri = closed.as_str().expect("a URI").to_owned();
            let Some(document) = self.documents.remove(&uri) else {
                continue;
            };
            let closed = json!({"textDocument": {"uri": uri}});
            self.notify("textDocument/didClose", closed).await;
            if let Some(new) = change["newUri"].as_str() {
                let text = document.text.clone();
                self.documents.insert(new.to_owned(), document);
                let opened = json!({"textDocument": {
                    "uri": new, "languageId": "plain", "version": 1, "text": text}});
                self.documents.get_mut(new).expect("a document").version = 1;
                self.notify("textDocument/didOpen", opened).await;
            }
        }
    }

    async fn apply(&mut self, id: Value, params: Value) {
        self.edits.push(params.clone());
        let files = edited(&params["edit"]);
        let applied = |applied: bool| json!({"applied": applied});
        let stale = files.iter().any(|(uri, version, _)| {
            version
                .is_some_and(|version| self.documents.get(uri).is_none_or(|d| d.version != version))
        });
        match self.applies {
            Applies::Silently => return,
            Applies::Never => return self.answer(id, applied(false)).await,
            Applies::Lying => return self.answer(id, applied(true)).await,
            Applies::WhateverTheVersion => {}
            Applies::WhileTyping(letters) if letters > 0 => {
                self.applies = Applies::WhileTyping(letters - 1);
                let start = json!({"line": 2, "character": 0});
                let range = json!({"start": start, "end": start});
                // Some tell of the letter only behind the refusal.
                let tells_first = letters % 2 == 0;
                if !tells_first {
                    self.answer(id.clone(), applied(false)).await;
                }
                for (uri, ..) in files {
                    self.change(&uri, json!([{"range": range, "text": "x"}]))
                        .await;
                }
                if tells_first {
                    self.answer(id, applied(false)).await;
                }
                return;
            }
            Applies::WhileTypingTheSame => {
                self.applies = Applies::Honestly;
                for (uri, _, edits) in files {
                    let first = edits.first().cloned();
                    self.change(&uri, json!([first])).await;
                }
                return self.answer(id, applied(false)).await;
            }
            _ if stale => return self.answer(id, applied(false)).await,
            _ => {}
        }
        if self.applies == Applies::AnsweringFirst {
            self.answer(id.clone(), applied(true)).await;
        }
        self.operate(&params["edit"]).await;
        for (uri, _, mut edits) in files {
            // From the end, so that the ranges before stay right.
            edits.reverse();
            if self.applies == Applies::Wrongly {
                for edit in &mut edits {
                    edit["text"] = json!("something else\n");
                }
            }
            self.change(&uri, Value::Array(edits)).await;
        }
        if self.applies != Applies::AnsweringFirst {
            self.answer(id, applied(true)).await;
        }
    }
}

/// Where a file is, by its URI.
fn path_of(uri: &Value) -> std::path::PathBuf {
    let uri = url::Url::parse(uri.as_str().expect("a URI")).expect("a URI");
    uri.to_file_path().expect("a file")
}

/// URI, version and content changes of each file of a workspace edit.
fn edited(edit: &Value) -> Vec<(String, Option<i64>, Vec<Value>)> {
    let changes = |edits: &Value| -> Vec<Value> {
        let edits = edits.as_array().into_iter().flatten();
        edits
            .map(|edit| json!({"range": edit["range"], "text": edit["newText"]}))
            .collect()
    };
    let mut files = Vec::new();
    let changed = edit["documentChanges"].as_array().into_iter().flatten();
    for change in changed.filter(|change| change["kind"].is_null()) {
        let document = &change["textDocument"];
        let uri = document["uri"].as_str().expect("a URI").to_owned();
        files.push((uri, document["version"].as_i64(), changes(&change["edits"])));
    }
    for (uri, edits) in edit["changes"].as_object().into_iter().flatten() {
        files.push((uri.clone(), None, changes(edits)));
    }
    files
}

async fn read_message(reader: &mut (impl AsyncBufReadExt + Unpin)) -> Option<Value> {
    let mut length = None;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            header => {
                if let Some(value) = header.strip_prefix("Content-Length:") {
                    length = value.trim().parse::<usize>().ok();
                }
            }
        }
    }
    let mut body = vec![0; length?];
    reader.read_exact(&mut body).await.ok()?;
    serde_json::from_slice(&body).ok()
}

/// Byte offset of a position.
fn offset(text: &str, position: &Value, units: Units) -> usize {
    let number = |key: &str| position[key].as_u64().expect("a number") as usize;
    let mut start = 0;
    for _ in 0..number("line") {
        match text[start..].find('\n') {
            Some(at) => start += at + 1,
            None => return text.len(),
        }
    }
    let mut left = number("character");
    for (at, c) in text[start..].char_indices() {
        let width = match units {
            Units::Utf8 => c.len_utf8(),
            Units::Utf16 => c.len_utf16(),
            Units::Utf32 => 1,
        };
        if left == 0 || c == '\n' {
            return start + at;
        }
        left = left.saturating_sub(width);
    }
    text.len()
}

fn position(text: &str, at: usize, units: Units) -> Value {
    let before = &text[..at];
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = &before[start..];
    let character = match units {
        Units::Utf8 => line.len(),
        Units::Utf16 => line.encode_utf16().count(),
        Units::Utf32 => line.chars().count(),
    };
    json!({"line": before.matches('\n').count(), "character": character})
}

fn replace(text: &mut String, range: &Value, new: &str, units: Units) {
    let (start, end) = (
        offset(text, &range["start"], units),
        offset(text, &range["end"], units),
    );
    text.replace_range(start..end, new);
}
