//! Payloads as GitHub sends them, good and bad.

use serde_json::{Value, json};

use super::{Reading, read};
use crate::config::{Config, EconomicNode, Maintainer, Repository};
use crate::facts::{Fact, State};
use crate::known::Known;
use crate::refusal::{Code, Refusal};
use crate::statement::tests::{key, sign, statement};
use crate::statement::{Action, Statement, reason_hash};

fn known() -> Known {
    let repository = |name: &str| Repository {
        name: name.to_owned(),
        layer: 4,
        tier: None,
    };
    let public = |number| key(number).x_only_public_key().0.to_string();
    let config = Config {
        repositories: vec![repository("Example/Node"), repository("example/other")],
        maintainers: vec![Maintainer {
            login: "alice".to_owned(),
            key: public(1),
            layers: Vec::new(),
        }],
        economic_nodes: vec![EconomicNode {
            name: "pool".to_owned(),
            key: public(2),
            attested_sat: 0,
        }],
        ..Config::default()
    };
    Known::new(&config, config.preset.rules(), Some(statement().chain))
}

fn pull_request() -> Value {
    json!({
        "action": "opened",
        "number": 7,
        "repository": { "full_name": "Example/Node" },
        "pull_request": {
            "number": 7, "title": "A change", "state": "open", "merged": false,
            "user": { "login": "bob" }, "head": { "sha": "A".repeat(40) },
            "base": { "ref": "main" }, "labels": [{ "name": "tier-3" }],
            "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-02T00:00:00Z",
            "merged_at": null, "merge_commit_sha": "c".repeat(40)
        }
    })
}

fn comment(text: &str) -> Value {
    json!({
        "action": "created",
        "repository": { "full_name": "example/node" },
        "issue": { "number": 7, "pull_request": { "url": "https://example.org" } },
        "comment": { "id": 1, "user": { "login": "alice" }, "body": text,
            "created_at": "2026-01-02T00:00:00Z", "updated_at": "2026-01-02T00:00:00Z" }
    })
}

fn reading(body: &Value) -> Result<Reading, Refusal> {
    read(body.to_string().as_bytes(), &known())
}

fn code(body: &Value) -> Code {
    match reading(body) {
        Err(refusal) => refusal.code,
        Ok(reading) => {
            assert_eq!(reading.facts, [], "nothing of it is kept");
            reading.refused[0].code
        }
    }
}

/// A comment with a statement that was signed as `signed` and is claimed as `claimed`.
fn said(signed: &Statement, claimed: &Statement, by: u8) -> Value {
    let signature = sign(signed, &key(by));
    let key = key(by).x_only_public_key().0;
    let Statement {
        action,
        head,
        nonce,
        from,
        to,
        ..
    } = claimed;
    comment(&format!(
        "I looked at it.\r\n/governance-{action} key={key} head={head} nonce={nonce} from={from} \
         to={to} sig={signature}"
    ))
}

#[test]
fn a_pull_request_is_a_proposal_and_its_head() {
    let read = reading(&pull_request()).unwrap();
    let Fact::Pull(pull) = &read.facts[0] else {
        panic!("{read:?}")
    };
    assert_eq!(pull.repository, "example/node");
    assert_eq!((pull.state, &*pull.head), (State::Open, &*"a".repeat(40)));
    assert_eq!((pull.labels.len(), &pull.merge_commit), (1, &None));
    assert!(matches!(&read.facts[1], Fact::Head(head) if head.seen_at == pull.updated_at));
}

#[test]
fn a_good_signature_is_kept_with_all_that_it_binds() {
    let good = statement();
    let read = reading(&said(&good, &good, 1)).unwrap();
    let [Fact::Signed(signed)] = &read.facts[..] else {
        panic!("{read:?}")
    };
    assert_eq!(signed.statement, good);
    let mut reasoned = good;
    reasoned.reason = reason_hash("it is \"right\"");
    let signature = sign(&reasoned, &key(1));
    let key = key(1).x_only_public_key().0;
    let text = format!(
        "/governance-sign key={key} head={} nonce=1 from=0 to=1000 sig={signature} \"it is \"right\"\"",
        reasoned.head
    );
    let read = reading(&comment(&text)).unwrap();
    assert!(matches!(&read.facts[..], [Fact::Signed(s)] if s.reason == "it is \"right\""));
}

#[test]
fn a_signature_for_something_else_says_for_what_and_leaves_nothing() {
    let good = statement();
    let with = |change: fn(&mut Statement)| {
        let mut other = good.clone();
        change(&mut other);
        code(&said(&other, &good, 1))
    };
    assert_eq!(with(|s| s.action = Action::Veto), Code::OtherAction);
    assert_eq!(
        with(|s| s.repository = "example/other".into()),
        Code::OtherRepository
    );
    let mainnet = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f";
    let mut other = good.clone();
    other.chain = mainnet.into();
    assert_eq!(code(&said(&other, &good, 1)), Code::OtherChain);
    assert_eq!(
        with(|s| s.rules = "maintainer_only_2026".into()),
        Code::OtherRules
    );
    assert_eq!(with(|s| s.nonce = 9), Code::BadSignature);
    assert_eq!(with(|s| s.number = 8), Code::BadSignature);
    assert_eq!(with(|s| s.head = "b".repeat(40)), Code::BadSignature);
    assert_eq!(code(&said(&good, &good, 3)), Code::UnknownKey);
    // An economic node's key signs no merges, and a maintainer's vetoes nothing.
    assert_eq!(code(&said(&good, &good, 2)), Code::UnknownKey);
    let mut support = good.clone();
    support.action = Action::Support;
    let mut veto = good;
    veto.action = Action::Veto;
    assert_eq!(code(&said(&support, &veto, 2)), Code::OtherAction);
    assert_eq!(code(&said(&veto, &veto, 1)), Code::UnknownKey);
}

#[test]
fn upstreams_signature_is_shown_as_weak() {
    let text = format!("/governance-sign {} \"fine\"", "ab".repeat(64));
    let read = reading(&comment(&text)).unwrap();
    assert!(matches!(&read.facts[..], [Fact::Weak(weak)] if weak.login == "alice"));
}

#[test]
fn what_cannot_be_read_is_refused_by_field() {
    let refusal = |change: fn(&mut Value)| {
        let mut body = pull_request();
        change(&mut body);
        reading(&body).unwrap_err()
    };
    let missing = refusal(|b| drop(b["pull_request"].as_object_mut().unwrap().remove("title")));
    assert_eq!(missing.code, Code::BadField);
    assert!(missing.detail.contains("`pull_request`") && missing.detail.contains("title"));
    let typed = refusal(|b| b["pull_request"]["number"] = json!("7"));
    assert_eq!(typed.code, Code::BadField);
    let sha = refusal(|b| b["pull_request"]["head"]["sha"] = json!("main"));
    assert!(sha.detail.contains("head.sha"), "{sha}");
    let time = refusal(|b| b["pull_request"]["updated_at"] = json!("yesterday"));
    assert!(time.detail.contains("updated_at"), "{time}");
    let stranger = refusal(|b| b["repository"]["full_name"] = json!("some/body"));
    assert_eq!(stranger.code, Code::UnknownRepository);
    let nameless = refusal(|b| drop(b.as_object_mut().unwrap().remove("repository")));
    assert_eq!(nameless.code, Code::BadField);
    let text = read(b"{\"pull_request\":", &known()).unwrap_err();
    assert_eq!(text.code, Code::NotJson);
    let form = read(b"payload=%7B%7D", &known()).unwrap_err();
    assert_eq!(form.code, Code::NotJson);
    assert!(form.detail.contains("`application/json`"), "{form}");
}

#[test]
fn commands_that_cannot_be_read_say_what_is_missing() {
    let refused = |text: &str| {
        let read = reading(&comment(text)).unwrap();
        assert_eq!(read.facts, []);
        read.refused[0].clone()
    };
    let missing = refused("/governance-veto nonce=1");
    assert_eq!(missing.code, Code::BadCommand);
    assert!(missing.detail.contains("`key=` is missing"), "{missing}");
    assert!(
        refused("/governance-frobnicate")
            .detail
            .contains("not known")
    );
    assert!(
        refused("/governance-tier-override many")
            .detail
            .contains("number")
    );
    let many = vec!["/governance-tier-override 3"; 21].join("\n");
    let read = reading(&comment(&many)).unwrap();
    assert_eq!((read.facts.len(), read.refused.len()), (20, 1));
    assert!(read.refused[0].detail.contains("first 20"));
    let mut on_issue = comment("/governance-sign");
    on_issue["issue"]
        .as_object_mut()
        .unwrap()
        .remove("pull_request");
    assert_eq!(code(&on_issue), Code::NotAPullRequest);
}

#[test]
fn what_is_about_nothing_here_is_not_used() {
    for body in [
        json!({ "zen": "Keep it logically awesome.", "hook_id": 1 }),
        json!([]),
        comment("Looks good to me."),
    ] {
        assert!(reading(&body).unwrap().unused, "{body}");
    }
}

#[test]
fn reviews_and_releases_are_facts() {
    let mut review = pull_request();
    review["action"] = json!("submitted");
    review["review"] = json!({ "id": 5, "user": { "login": "carol" }, "state": "APPROVED",
        "commit_id": "a".repeat(40), "submitted_at": "2026-01-03T00:00:00Z" });
    let read = reading(&review).unwrap();
    assert!(matches!(&read.facts[..], [Fact::Review(r)] if r.state == "approved" && r.number == 7));
    let release = json!({ "action": "published", "repository": { "full_name": "example/node" },
        "release": { "id": 9, "tag_name": "v1", "target_commitish": "main", "draft": false,
            "author": { "login": "bob" }, "prerelease": false,
            "created_at": "2026-01-03T00:00:00Z", "published_at": "2026-01-04T00:00:00Z" } });
    let read = reading(&release).unwrap();
    assert!(matches!(&read.facts[..], [Fact::Release(r)] if r.tag == "v1"));
}

/// What payloads are made of, and what breaks readers.
const PIECES: &[&[u8]] = &[
    b"\"",
    b"[[[[[[[[",
    b"{{{{{{{{",
    b"}",
    b"]",
    b",",
    b":",
    b"\\u0000",
    b"\\ud800",
    b"\\",
    b"-1",
    b"1e999",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b"18446744073709551616",
    b"9223372036854775808",
    b"payload=",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xae",
    b"\x1f\x8b\x08\x00",
    b"\0",
    b"9999-12-31T23:59:60Z",
    b"-0001-01-01T00:00:00Z",
    b"\"review\":{},",
    b"\"comment\":{},",
    b"\"release\":{},",
    b"/governance-sign ",
    b"/governance-veto ",
    b" nonce=",
    b" sig=",
    b"\r\n",
];

#[test]
fn no_damaged_payload_makes_a_panic() {
    let good = statement();
    let payloads = [
        pull_request(),
        comment("nothing"),
        said(&good, &good, 1),
        said(&good, &good, 9),
        json!({
            "action": "dismissed", "repository": { "full_name": "example/node" },
            "pull_request": { "number": 7 },
            "review": { "id": 5, "user": { "login": "carol" }, "state": "approved",
                "commit_id": "a".repeat(40), "submitted_at": "2026-01-02T00:00:00Z" }
        }),
        json!({
            "action": "published", "repository": { "full_name": "example/node" },
            "release": { "id": 3, "tag_name": "v1.0", "name": "One", "target_commitish": "main",
                "draft": false, "prerelease": false, "author": { "login": "alice" },
                "created_at": "2026-01-02T00:00:00Z", "published_at": "2026-01-02T00:00:00Z" }
        }),
    ];
    for payload in &payloads {
        reading(payload).unwrap();
    }
    let bodies: Vec<Vec<u8>> = payloads.map(|body| body.to_string().into_bytes()).into();
    let bodies: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
    let known = known();
    // A key that nobody configured is not made known by damage.
    let strangers = key(9).x_only_public_key().0.to_string();
    crate::damage::fuzz("webhook payload", &bodies, PIECES, |body| {
        let (_, facts) = crate::inbox::judge(read(body, &known));
        for fact in facts {
            if let Fact::Signed(signed) = fact {
                assert_ne!(signed.key, strangers);
                assert_eq!(signed.statement, good, "what was not signed is not kept");
            }
        }
    });
}
