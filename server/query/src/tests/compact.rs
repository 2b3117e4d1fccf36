//! Conversations that become too long for their model.

use super::{LIMITS, check_with, config};
use crate::{Config, Limits};
use expect_test::{Expect, expect};

/// A model that takes so many tokens, and tools that cost none.
fn check(window: u64, script: &str, expect: Expect) {
    let mut config = Config {
        context_window: Some(window),
        max_output_tokens: 100,
        ..config(LIMITS)
    };
    config.tools.iter_mut().for_each(|tool| tool.bytes = 0);
    check_with(config, script, expect);
}

/// So many calls, each with a result of so many bytes and counted by the provider.
fn calls(n: usize, bytes: usize, tokens: impl Fn(usize) -> usize) -> String {
    let call = |i| {
        format!(
            "call 0 c{i} read {{\"n\":{i}}}\nusage {} 10\nstop tool_use\ndone c{i} *{bytes}\n",
            tokens(i)
        )
    };
    (1..=n).map(call).collect()
}

#[test]
fn old_results_are_trimmed_first_and_the_oldest_before_others() {
    let script = format!("prompt x\n{}", calls(4, 2000, |i| 500 * i - 490));
    check(
        2500,
        &script,
        expect![[r#"
            model 1 (100)
            run c1 read
            model 2 (100)
            run c2 read
            model 3 (100)
            run c3 read
            model 4 (100)
            run c4 read
            compacted 2192 -> 782, trimmed ["c1:0", "c2:0", "c3:0"], not summed up
            model 5 (100)
            User: "x"
            Assistant: <read {"n":1}>
            User: [c1 "[2000 of 2000 bytes of this result were left out to make room; call the tool again, for less at once, if you need them]"]
            Assistant: <read {"n":2}>
            User: [c2 "[2000 of 2000 bytes of this result were left out to make room; call the tool again, for less at once, if you need them]"]
            Assistant: <read {"n":3}>
            User: [c3 "[2000 of 2000 bytes of this result were left out to make room; call the tool again, for less at once, if you need them]"]
            Assistant: <read {"n":4}>
            User: [c4 "*2000"]
        "#]],
    );
}

#[test]
fn what_trimming_cannot_do_the_model_sums_up() {
    let script = "prompt do it\ntext *900\nusage 10 300\nstop end_turn\nprompt and that\ntext *900\n\
                  usage 320 300\nstop end_turn\nprompt go on\ncall 0 a read {}\nusage 640 10\n\
                  stop tool_use\ndone a text *600\n\
                  facts [files: a.rs]\ntext The task is\ntext  it.\nusage 700 20\nstop end_turn\n\
                  text Done.\nusage 300 5\nstop end_turn";
    check(
        1000,
        script,
        expect![[r#"
        model 1 (100)
        finish Done
        model 1 (100)
        finish Done
        model 1 (100)
        run a read
        model 2 (100) to sum up
        compacted 857 -> 301, trimmed [], summed up but for 2
        model 3 (100)
        finish Done
        User: "[The conversation before this became too long and was summed up by you. Its summary stands here in its place; the conversation goes on behind it.]\n\nThe task is it.\n\n[files: a.rs]\n\n[What you are working on, in the user's own words:]\ngo on"
        Assistant: <read {}>
        User: [a "text *600"]
        Assistant: "Done."
    "#]],
    );
}

#[test]
fn a_summary_that_fails_leaves_the_conversation_as_it_is() {
    let begin = "prompt do it\ntext *900\nusage 10 300\nstop end_turn\nprompt and that\ntext *900\n\
                 usage 320 300\nstop end_turn\nprompt go on *300\n";
    for (end, reason) in [
        (
            "fail no network",
            expect![[r#"
                model 1 (100)
                finish Done
                model 1 (100)
                finish Done
                model 1 (100) to sum up
                notice the conversation could not be summed up, and is as it was: no network
                model 2 (100)
                User: "do it"
                Assistant: "*900"
                User: "and that"
                Assistant: "*900"
                User: "go on *300"
            "#]],
        ),
        (
            "call 0 a read {}\nstop tool_use",
            expect![[r#"
                model 1 (100)
                finish Done
                model 1 (100)
                finish Done
                model 1 (100) to sum up
                notice the conversation could not be summed up, and is as it was: it called tools instead
                model 2 (100)
                User: "do it"
                Assistant: "*900"
                User: "and that"
                Assistant: "*900"
                User: "go on *300"
            "#]],
        ),
        (
            "text *30\nstop max_tokens",
            expect![[r#"
                model 1 (100)
                finish Done
                model 1 (100)
                finish Done
                model 1 (100) to sum up
                notice the conversation could not be summed up, and is as it was: its summary was cut off
                model 2 (100)
                User: "do it"
                Assistant: "*900"
                User: "and that"
                Assistant: "*900"
                User: "go on *300"
            "#]],
        ),
        (
            "stop end_turn",
            expect![[r#"
                model 1 (100)
                finish Done
                model 1 (100)
                finish Done
                model 1 (100) to sum up
                notice the conversation could not be summed up, and is as it was: it said nothing
                model 2 (100)
                User: "do it"
                Assistant: "*900"
                User: "and that"
                Assistant: "*900"
                User: "go on *300"
            "#]],
        ),
        (
            "text half\ncancel",
            expect![[r#"
                model 1 (100)
                finish Done
                model 1 (100)
                finish Done
                model 1 (100) to sum up
                abort
                lost 1797 tokens, 0.001833 USD
                note Assistant [cancelled by the user]
                finish Cancelled
                User: "do it"
                Assistant: "*900"
                User: "and that"
                Assistant: "*900"
                User: "go on *300"
                Assistant: "[cancelled by the user]"
            "#]],
        ),
        (
            "silent",
            expect![[r#"
            model 1 (100)
            finish Done
            model 1 (100)
            finish Done
            model 1 (100) to sum up
            abort
            note Assistant [no answer: the model fell silent]
            finish Limit { limit: "model_timeout", value: 5.0, used: 5.0 }
            User: "do it"
            Assistant: "*900"
            User: "and that"
            Assistant: "*900"
            User: "go on *300"
            Assistant: "[no answer: the model fell silent]"
        "#]],
        ),
    ] {
        check(900, &format!("{begin}{end}"), reason);
    }
}

#[test]
fn a_result_that_is_too_large_to_be_shown_is_cut() {
    let script = "prompt x\ncall 0 a read {}\ncall 1 b read {\"p\":1}\nusage 10 10\nstop tool_use\n\
                  done a *90000\ndone b small";
    check(
        2000,
        script,
        expect![[r#"
        model 1 (100)
        keep 2 pieces
        run a read | b read
        compacted 30033 -> 473, trimmed ["a:1200"], not summed up
        model 2 (100)
        User: "x"
        Assistant: <read {}> <read {"p":1}>
        User: [a "*1200\n[88800 of 90000 bytes of this result were left out to make room; call the tool again, for less at once, if you need them]"] [b "small"]
    "#]],
    );
}

#[test]
fn a_prompt_that_fits_no_window_ends_the_turn() {
    check(
        500,
        "prompt *3000",
        expect![[r#"
        finish Failed { message: "the conversation has about 1007 tokens, and the model takes 500 (context_window): begin a new session, ask for less at once, or use a model with a larger window", may_pass: false }
        User: "*3000"
    "#]],
    );
}

#[test]
fn a_model_that_says_that_it_is_full_is_believed() {
    let script = "prompt x\ncall 0 a read {}\nusage 10 10\nstop tool_use\ndone a *9000\n\
                  call 0 b read {\"n\":2}\nusage 3020 10\nstop tool_use\ndone b *9000\n\
                  full prompt is too long\ntext ok\nusage 100 10\nstop end_turn";
    let config = Config {
        max_output_tokens: 100,
        ..config(LIMITS)
    };
    check_with(
        config.clone(),
        script,
        expect![[r#"
            model 1 (100)
            run a read
            model 2 (100)
            run b read
            model 3 (100)
            notice the model says that the conversation is too long (prompt is too long); from now on its window counts as 5432 tokens. Set context_window of the model under [models] in your configuration
            compacted 6035 -> 5247, trimmed ["b:6516"], not summed up
            model 4 (100) to sum up
            compacted 5247 -> 2402, trimmed [], summed up but for 2
            model 5 (100)
            User: "[The conversation before this became too long and was summed up by you. Its summary stands here in its place; the conversation goes on behind it.]\n\nok\n\n[What you are working on, in the user's own words:]\nx"
            Assistant: <read {"n":2}>
            User: [b "*6516\n[2484 of 9000 bytes of this result were left out to make room; call the tool again, for less at once, if you need them]"]
        "#]],
    );
    check_with(
        config,
        "prompt x\nfull a\nfull b\nfull c",
        expect![[r#"
        model 1 (100)
        notice the model says that the conversation is too long (a); from now on its window counts as 97 tokens. Set context_window of the model under [models] in your configuration
        finish Failed { message: "the conversation has about 107 tokens, and the model takes 97 (context_window): begin a new session, ask for less at once, or use a model with a larger window", may_pass: false }
        User: "x"
    "#]],
    );
}

#[test]
fn the_user_has_the_conversation_summed_up() {
    let script = "compact\nprompt x\ntext *90\nusage 10 30\nstop end_turn\ncompact the names\n\
                  facts [files: a]\ntext All of it.\nusage 50 9\nstop end_turn\nprompt y\ntext z\n\
                  usage 60 2\nstop end_turn\ncompact\nfail no network";
    check(
        100_000,
        script,
        expect![[r#"
        say There is nothing to sum up yet.
        finish Done
        model 1 (100)
        finish Done
        model 1 (100) to sum up
        compacted 51 -> 64, trimmed [], summed up but for 0
        say The conversation is summed up: about 51 tokens became about 64.
        finish Done
        model 1 (100)
        finish Done
        model 1 (100) to sum up
        say the conversation could not be summed up, and is as it was: no network
        finish Failed { message: "the conversation could not be summed up, and is as it was: no network", may_pass: false }
        User: "[The conversation before this became too long and was summed up by you. Its summary stands here in its place; the conversation goes on behind it.]\n\nAll of it.\n\n[files: a]"
        Assistant: "The conversation is summed up: about 51 tokens became about 64."
        User: "y"
        Assistant: "z"
        User: "/compact "
        Assistant: "the conversation could not be summed up, and is as it was: no network"
    "#]],
    );
}

#[test]
fn what_the_user_says_meanwhile_is_heard_with_the_next_request() {
    let script = "prompt x\nsteer use b\ncall 0 a read {}\nsteer no, c\nstop tool_use\nsteer or d\ndone a text\n\
                  text I do c.\nsteer thanks\nstop end_turn\ntext Welcome.\nstop end_turn\nsteer too late\n\
                  prompt y\nsteer lost?\ncancel\nprompt z";
    check(
        100_000,
        script,
        expect![[r#"
        model 1 (100)
        run a read
        note User [The user says while you work:]
        use b
        note User [The user says while you work:]
        no, c
        note User [The user says while you work:]
        or d
        model 2 (100)
        note User [The user says while you work:]
        thanks
        model 3 (100)
        finish Done
        model 1 (100)
        abort
        note Assistant [cancelled by the user]
        note User [The user says while you work:]
        lost?
        finish Cancelled
        model 1 (100)
        User: "x"
        Assistant: <read {}>
        User: [a "text"] "[The user says while you work:]\nuse b" "[The user says while you work:]\nno, c" "[The user says while you work:]\nor d"
        Assistant: "I do c."
        User: "[The user says while you work:]\nthanks"
        Assistant: "Welcome."
        User: "y"
        Assistant: "[cancelled by the user]"
        User: "[The user says while you work:]\nlost?" "z"
    "#]],
    );
}

#[test]
fn an_answer_without_end_ends_the_turn() {
    let limits = Limits {
        max_answer_bytes: 1000,
        ..LIMITS
    };
    let script = "prompt x\ncall 0 a read {\"p\":\"\n".to_owned() + &"text *300\n".repeat(4);
    check_with(
        config(limits),
        &script,
        expect![[r#"
            model 1 (1000)
            abort
            lost 2347 tokens, 0.011347 USD
            note Assistant *1200
            [the answer became too long]
            finish Limit { limit: "max_answer_bytes", value: 1000.0, used: 1210.0 }
            User: "x"
            Assistant: "*1200\n[the answer became too long]"
        "#]],
    );
}
