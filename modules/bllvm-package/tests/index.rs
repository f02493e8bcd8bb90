//! Attacks on a registry's index, each refused with a code of its own. Every row starts from an index
//! that is believed.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use bllvm_manifest::{Digest, ModuleName};
use bllvm_package::{
    Index, IndexRefusal, IndexTrust, Listed, MAX_INDEX_BYTES, Publisher, Purpose, Revoked,
    SecretKey, Signatures, verify_index,
};

const TARGET: &str = "x86_64-unknown-linux-gnu";

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

fn module() -> ModuleName {
    "hello".parse().unwrap()
}

fn release(seq: u64) -> Listed {
    Listed {
        module: module(),
        version: semver::Version::new(0, seq, 0),
        target: TARGET.to_owned(),
        release_seq: seq,
        publisher: "example.org".to_owned(),
        digest: Digest::of(format!("manifest {seq}")),
        bytes: 10,
        path: format!("packages/hello/{seq}"),
        description: String::new(),
        notes: "what is new".to_owned(),
    }
}

fn index() -> Index {
    let mut index = Index::empty("example.org", "2027-01-01T00:00:00Z".parse().unwrap());
    index.seq = 7;
    index.releases = vec![release(1), release(2), release(3)];
    index
}

/// 2 of 3 keys.
fn trust() -> IndexTrust {
    let keys: Vec<_> = [1, 2, 3].map(|seed| key(seed).public()).to_vec();
    IndexTrust {
        registry: "example.org".to_owned(),
        keys: Publisher::new(&keys, 2).unwrap(),
        seen: Some((6, Digest::of("an older one"))),
        moment: "2026-11-23T00:00:00Z".parse().unwrap(),
    }
}

fn signed(bytes: &[u8], seeds: &[u8], purpose: Purpose) -> Vec<u8> {
    let mut all = Signatures::default();
    for seed in seeds {
        all.add(&key(*seed), purpose, bytes).unwrap();
    }
    all.to_string().into_bytes()
}

fn judge(bytes: &[u8], signatures: &[u8], trust: &IndexTrust) -> &'static str {
    verify_index(bytes, signatures, trust).map_or_else(|refusal| refusal.code(), |_| "believed")
}

/// Changes an index as its makers could, with signatures that fit.
fn changed(change: impl FnOnce(&mut Index)) -> &'static str {
    let mut index = index();
    change(&mut index);
    let bytes = index.to_bytes();
    judge(&bytes, &signed(&bytes, &[1, 2], Purpose::Index), &trust())
}

#[test]
fn every_attack_on_an_index_has_its_own_refusal() {
    let good = index().to_bytes();
    let by = |seeds: &[u8]| signed(&good, seeds, Purpose::Index);
    assert_eq!(judge(&good, &by(&[1, 2]), &trust()), "believed");

    let mut other = good.clone();
    let at = other.iter().position(|byte| *byte == b'7').unwrap();
    other[at] = b'8';
    let huge = vec![b' '; usize::try_from(MAX_INDEX_BYTES).unwrap() + 1];
    let mut newer = trust();
    newer.seen = Some((8, Digest::of("newer")));
    let mut twin = trust();
    twin.seen = Some((7, Digest::of("another with this number")));
    let mut late = trust();
    late.moment = "2027-01-01T00:00:00Z".parse().unwrap();
    let rows = [
        (
            "a changed byte",
            judge(&other, &by(&[1, 2]), &trust()),
            "index_signature_invalid",
        ),
        (
            "no signature",
            judge(&good, b"", &trust()),
            "index_signature_malformed",
        ),
        (
            "one of two",
            judge(&good, &by(&[1]), &trust()),
            "index_threshold_not_met",
        ),
        (
            "strangers",
            judge(&good, &by(&[8, 9]), &trust()),
            "index_threshold_not_met",
        ),
        (
            "a package's signature",
            judge(&good, &signed(&good, &[1, 2], Purpose::Manifest), &trust()),
            "index_signature_invalid",
        ),
        (
            "oversize",
            judge(&huge, &by(&[1, 2]), &trust()),
            "index_too_large",
        ),
        (
            "an older one",
            judge(&good, &by(&[1, 2]), &newer),
            "index_rollback",
        ),
        (
            "the same number",
            judge(&good, &by(&[1, 2]), &twin),
            "index_conflict",
        ),
        (
            "held back",
            judge(&good, &by(&[1, 2]), &late),
            "index_expired",
        ),
        (
            "another registry",
            changed(|one| "evil.org".clone_into(&mut one.registry)),
            "index_of_another",
        ),
        (
            "another format",
            changed(|one| one.format = 2),
            "index_malformed",
        ),
        (
            "a way out",
            changed(|one| one.releases[0].path = "../../etc".to_owned()),
            "index_path_forbidden",
        ),
        (
            "an absolute path",
            changed(|one| one.releases[0].path = "/etc".to_owned()),
            "index_path_forbidden",
        ),
        (
            "an address",
            changed(|one| one.releases[0].path = "http:x".to_owned()),
            "index_path_forbidden",
        ),
        (
            "twins",
            changed(|one| one.releases.push(release(2))),
            "index_release_twice",
        ),
    ];
    for (what, found, expected) in rows {
        println!("{what:<24} {found}");
        assert_eq!(found, expected, "{what}");
    }
}

#[test]
fn the_newest_release_that_runs_here_and_was_not_taken_back_is_found() {
    let mut index = index();
    let find = |index: &Index, version: Option<semver::Version>| {
        index
            .find(&module(), version.as_ref(), TARGET)
            .map(|found| found.release_seq)
            .map_err(|refusal: IndexRefusal| refusal.code())
    };
    assert_eq!(find(&index, None), Ok(3));
    assert_eq!(find(&index, Some(semver::Version::new(0, 2, 0))), Ok(2));
    let unlisted = semver::Version::new(9, 0, 0);
    assert_eq!(find(&index, Some(unlisted)), Err("release_not_listed"));
    index.releases[2].target = "aarch64-unknown-linux-gnu".to_owned();
    assert_eq!(find(&index, None), Ok(2));
    index.revoked.push(Revoked {
        digest: release(2).digest,
        reason: "it lost payments".to_owned(),
    });
    assert_eq!(find(&index, None), Ok(1));
    assert_eq!(
        find(&index, Some(semver::Version::new(0, 2, 0))),
        Err("release_revoked")
    );
}

#[test]
fn a_manifest_of_another_release_is_not_the_listed_one() {
    let listed = release(2);
    assert!(listed.check(b"manifest 2").is_ok());
    let refusal = listed.check(b"manifest 1").unwrap_err();
    assert_eq!(refusal.code(), "package_not_as_listed");
}
