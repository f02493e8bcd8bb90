//! The database: once is once, and what was told is told.

use super::*;
use crate::facts::{Head, Pull, State};
use crate::proofs::Proof;
use crate::refusal::Code;

/// A directory that is removed with its test.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("governance-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn pull(updated_at: i64, state: State) -> Fact {
    Fact::Pull(Pull {
        updated_at,
        state,
        repository: "a/b".to_owned(),
        number: 1,
        title: "t".to_owned(),
        author: "x".to_owned(),
        head: "c".repeat(40),
        base: "main".to_owned(),
        labels: Vec::new(),
        created_at: 0,
        merged_at: None,
        merge_commit: None,
    })
}

fn good() -> Verdict {
    Verdict::applied(None, "")
}

#[tokio::test]
async fn a_delivery_that_comes_twice_has_its_effect_once() {
    let folder = Folder::new("once");
    let store = Store::open(&folder.0).await.unwrap();
    let fact = pull(1, State::Open);
    let first = store
        .apply("d1", &good(), vec![fact.clone()])
        .await
        .unwrap();
    let again = store
        .apply("d1", &good(), vec![pull(9, State::Merged)])
        .await
        .unwrap();
    assert_eq!((first, again), (Effect::Judged, Effect::Known));
    assert_eq!(store.facts().await.unwrap(), [fact]);
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.deliveries, counts.applied, counts.facts), (1, 1, 1));

    drop(store);
    let store = Store::open(&folder.0).await.unwrap();
    assert_eq!(store.counts().await.unwrap(), counts);
}

#[tokio::test]
async fn a_refused_delivery_is_judged_anew_when_it_is_replayed() {
    let folder = Folder::new("anew");
    let store = Store::open(&folder.0).await.unwrap();
    let refused = Verdict::refused(Code::UnknownRepository, "no rules");
    store.apply("d1", &refused, Vec::new()).await.unwrap();
    let untold = store.untold(9).await.unwrap();
    assert_eq!(untold[0].code.as_deref(), Some("unknown_repository"));
    store.told(&untold).await.unwrap();
    assert_eq!(store.untold(9).await.unwrap(), []);
    let judged = store
        .apply("d1", &good(), vec![pull(1, State::Open)])
        .await
        .unwrap();
    assert_eq!(judged, Effect::Judged);
    assert_eq!(store.untold(9).await.unwrap()[0].word, "applied");
    // A verdict that changed while the old one was on its way is still to be told.
    store.told(&untold).await.unwrap();
    assert_eq!(store.untold(9).await.unwrap().len(), 1);
    let counts = store.counts().await.unwrap();
    assert_eq!(
        (counts.deliveries, counts.applied, counts.refused),
        (1, 1, 0)
    );
}

#[tokio::test]
async fn news_are_told_in_order_and_once() {
    let folder = Folder::new("news");
    let store = Store::open(&folder.0).await.unwrap();
    store
        .apply("d1", &good(), vec![pull(1, State::Open)])
        .await
        .unwrap();
    store
        .apply("d2", &good(), vec![pull(2, State::Merged)])
        .await
        .unwrap();
    // Older than what is known, so it is no news; nor is a commit by itself.
    let head = Fact::Head(Head {
        repository: "a/b".to_owned(),
        number: 1,
        head: "c".repeat(40),
        seen_at: 0,
    });
    store
        .apply("d3", &good(), vec![pull(1, State::Closed), head])
        .await
        .unwrap();
    let outgoing = store.outgoing(9).await.unwrap();
    let kinds: Vec<_> = outgoing
        .iter()
        .map(|(_, news)| news.kind.as_str())
        .collect();
    assert_eq!(
        kinds,
        ["governance.proposal_created", "governance.proposal_merged"]
    );
    assert_eq!(outgoing[0].1.data["proposal"], "a/b#1");
    store.journaled(outgoing[0].0).await.unwrap();
    assert_eq!(store.outgoing(9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn one_keys_proofs_push_out_no_other_keys() {
    let folder = Folder::new("proofs");
    let store = Store::open(&folder.0).await.unwrap();
    let proof = |key: &str, number: u32| Proof {
        key: key.to_owned(),
        script: "51".to_owned(),
        height: number,
        block: String::new(),
        coins: Vec::new(),
        signature: format!("{key}-{number}"),
    };
    store.keep_proof(&proof("quiet", 0)).await.unwrap();
    for number in 0..60 {
        store.keep_proof(&proof("loud", number)).await.unwrap();
    }
    let kept = store.proofs().await.unwrap();
    assert_eq!(kept[0], proof("quiet", 0));
    assert_eq!((kept.len(), kept[1].height), (51, 10), "the oldest go");
}

#[tokio::test]
async fn small_things_are_remembered() {
    let folder = Folder::new("small");
    let store = Store::open(&folder.0).await.unwrap();
    assert_eq!(store.recall("chain").await.unwrap(), None);
    store.remember("chain", "a").await.unwrap();
    store.remember("chain", "b").await.unwrap();
    assert_eq!(store.recall("chain").await.unwrap().as_deref(), Some("b"));
}
