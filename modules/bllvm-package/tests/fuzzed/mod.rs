//! What is fuzzed: a stranger's bytes go in, and nothing may panic; what is read is written back
//! as it was. The fuzz targets and the property tests share these.

use bllvm_manifest::{Digest, Manifest};
use bllvm_package::{
    Index, IndexTrust, KeySet, Publisher, Purpose, SecretKey, Signatures, check_listing,
    verify_index,
};

/// Reads bytes as a `module.sig`.
pub fn signatures(data: &[u8]) {
    if let Ok(read) = Signatures::parse(data) {
        assert_eq!(read.to_string().as_bytes(), data, "one spelling");
        let key = SecretKey::from_seed([1; 32]).public();
        assert!(!read.verifies(&key, Purpose::Manifest, data));
    }
}

/// Reads bytes as a publisher's keys.
pub fn key_set(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(read) = KeySet::parse(text)
    {
        assert_eq!(KeySet::parse(&read.to_string()), Ok(read));
    }
}

/// Reads bytes as a `module.toml`, and looks at the paths that it lists.
pub fn manifest(data: &[u8]) {
    if let Ok(read) = Manifest::parse_bytes(data) {
        if let Some(package) = &read.package {
            let _ = check_listing(package);
        }
        let again = read.to_toml().expect("what was read can be written");
        assert_eq!(Manifest::parse(&again).expect("and read again"), read);
    }
}

/// Reads bytes as a registry's index, looks its releases up, and asks whether it is signed.
pub fn index(data: &[u8]) {
    let key = SecretKey::from_seed([1; 32]).public();
    let trust = IndexTrust {
        registry: "example.org".to_owned(),
        keys: Publisher::new(&[key], 1).expect("one of one key"),
        seen: Some((1, Digest::of("an older one"))),
        moment: "2026-11-23T00:00:00Z".parse().expect("a moment"),
    };
    assert!(
        verify_index(data, data, &trust).is_err(),
        "bytes are no signature of themselves"
    );
    if let Ok(read) = Index::parse(data) {
        let again = Index::parse(&read.to_bytes());
        assert_eq!(again.expect("what was read can be read again"), read);
        for release in &read.releases {
            let _ = read.why_revoked(release);
            let _ = read.find(&release.module, None, &release.target);
            let _ = release.check(data);
        }
    }
}
