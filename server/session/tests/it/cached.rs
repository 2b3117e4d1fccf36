//! How much of what a session sends is read from a provider's cache: a server that keeps one as
//! Anthropic documents it (prefixes up to marked blocks; of a mark the 20 blocks before are looked at).

use crate::harness::World;
use boxagnts_protocol::conversation::TokenUsage;
use boxagnts_protocol::update::{SessionEvent, TurnOutcome};
use boxagnts_session::DiskApplier;
use boxagnts_test_support::{Answer, ModelServer, Recorded};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};

/// Blocks before a mark at which a prefix is looked for.
const LOOK_BACK: usize = 20;

/// The blocks of a request in the order in which they are cached: bytes, hash of all up to it, and
/// whether it is marked.
fn blocks(body: &Value) -> Vec<(u64, u64, bool)> {
    let mut all: Vec<Value> = Vec::new();
    for part in ["tools", "system"] {
        all.extend(body[part].as_array().cloned().unwrap_or_default());
    }
    for message in body["messages"].as_array().expect("messages") {
        let role = &message["role"];
        for block in message["content"].as_array().expect("blocks") {
            let mut block = block.clone();
            block["role"] = role.clone();
            all.push(block);
        }
    }
    let mut so_far = DefaultHasher::new();
    let mut told = Vec::new();
    for mut block in all {
        let object = block.as_object_mut().expect("a block");
        let marked = object.remove("cache_control").is_some();
        let text = block.to_string();
        text.hash(&mut so_far);
        told.push((text.len() as u64, so_far.clone().finish(), marked));
    }
    told
}

/// What the provider counts for this request, at four bytes a token.
fn count(cache: &Mutex<HashSet<u64>>, request: &Recorded) -> TokenUsage {
    let blocks = blocks(&request.body);
    let mut cache = cache.lock().expect("a cache");
    let marks: Vec<usize> = (0..blocks.len()).filter(|at| blocks[*at].2).collect();
    assert!(marks.len() <= 4, "a request has at most four marks");
    let near = |at: usize| at.saturating_sub(LOOK_BACK)..=at;
    let known = |at: &usize| cache.contains(&blocks[*at].1);
    let hit = marks
        .iter()
        .rev()
        .find_map(|mark| near(*mark).rev().find(known));
    let bytes =
        |range: std::ops::Range<usize>| blocks[range].iter().map(|block| block.0).sum::<u64>();
    let read = hit.map_or(0, |at| at + 1);
    let written = marks.last().map_or(0, |at| at + 1).max(read);
    let usage = TokenUsage {
        input_tokens: bytes(written..blocks.len()) / 4,
        cache_read_tokens: bytes(0..read) / 4,
        cache_write_tokens: bytes(read..written) / 4,
        output_tokens: 60,
    };
    cache.extend(marks.iter().map(|mark| blocks[*mark].1));
    usage
}

#[tokio::test]
async fn twenty_turns_read_nine_tenths_of_their_prompts_from_the_cache() {
    let cache = Mutex::new(HashSet::new());
    let server = ModelServer::with(move |request| {
        let usage = count(&cache, request);
        let messages = request.body["messages"].as_array().expect("messages");
        let fresh = messages
            .last()
            .is_some_and(|last| last["content"][0]["type"] == "text");
        Answer::turn(match fresh {
            true => json!({
                "text": "I look at it.", "usage": usage,
                "tool_calls": [{"name": "read", "input": {"path": "a.txt", "limit": messages.len()}}],
            }),
            false => json!({"text": "It says nothing new.", "usage": usage}),
        })
    });
    let world = World::new(&[]);
    let text = "A line of the file that is read.\n".repeat(100);
    std::fs::write(world.folder.path().join("a.txt"), text).expect("a file");
    let settings = json!({
        "model": "local:large",
        "providers": {"local": {"kind": "anthropic", "base_url": server.base_url()}},
    });
    let mut session = None;
    let mut spent = TokenUsage::default();
    for turn in 0..20 {
        // Each is of a process of its own, which brings the session back.
        let mut process = world.process_with(Arc::new(DiskApplier), &settings, None);
        let (id, ended) = process.ask_for_end(session.as_deref()).await;
        let SessionEvent::TurnEnded { outcome, usage, .. } = ended else {
            panic!("{ended:?}")
        };
        assert_eq!(outcome, TurnOutcome::Done, "turn {turn}");
        (session, spent) = (Some(id), usage);
    }
    let prompt = spent.total() - spent.output_tokens;
    let share = spent.cache_read_tokens as f64 / prompt as f64;
    println!(
        "{:.1} % of {prompt} prompt tokens came from the cache",
        share * 100.0
    );
    assert!(share >= 0.9, "{share}: {spent:?}");
}
