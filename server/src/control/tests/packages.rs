//! Signed packages, from the operator's word about a publisher to a module that is still what was
//! signed when it is loaded. What one package alone can do wrong has its table in `bllvm-package`;
//! here is what the host remembers.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use bllvm_manifest::RelativePath;
use bllvm_package::{
    KeySet, PublicKey, Publisher, Purpose, Release, SecretKey, Signatures, Trust, assemble,
};
use serde_json::json;

use super::{SCHEMA, World, manifest, me, program};
use crate::control::{
    ControlError, Extent, InstallRequest, LoadRequest, NewPublisher, UninstallRequest,
};
use crate::model::{Operation, OperationStatus, TrustClass};
use crate::store::commands::SetFact;

const PUBLISHER: &str = "example.org";

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

fn public(seeds: &[u8]) -> Vec<PublicKey> {
    seeds.iter().map(|seed| key(*seed).public()).collect()
}

/// A host that trusts a publisher by two of three keys, and a place to pack in.
struct Shop {
    world: World,
    work: tempfile::TempDir,
}

impl Shop {
    async fn new() -> Self {
        let shop = Self {
            world: World::new().await,
            work: tempfile::tempdir().unwrap(),
        };
        shop.trust(&[1, 2, 3], 2).await.unwrap();
        shop
    }

    async fn trust(&self, seeds: &[u8], threshold: usize) -> Result<(), ControlError> {
        let new = NewPublisher {
            name: PUBLISHER.to_owned(),
            keys: public(seeds),
            threshold,
            version: 1,
        };
        let added = self.world.control.add_publisher(new, &me()).await;
        added.map(drop)
    }

    /// A package of `hello`, signed by these keys; the text is the program's.
    fn pack(&self, release_seq: u64, text: &str, signers: &[u8]) -> PathBuf {
        let folder = self.work.path().join(format!("{release_seq}-{text}"));
        let _ = fs::remove_dir_all(&folder);
        let (file, schema) = (self.work.path().join("p"), self.work.path().join("s"));
        program(&file, format!("\x7fELF {text}").as_bytes());
        fs::write(&schema, SCHEMA).unwrap();
        let files = [
            (RelativePath::new("hello").unwrap(), file),
            (RelativePath::new("config.schema.json").unwrap(), schema),
        ];
        let release = Release {
            publisher: PUBLISHER.to_owned(),
            release_seq,
            target: Trust::own_target(),
            expires: Some("2100-01-01T00:00:00Z".parse().unwrap()),
        };
        let packed = assemble(&manifest("hello", ""), &files, &release, &folder).unwrap();
        let mut signatures = Signatures::default();
        for seed in signers {
            signatures
                .add(&key(*seed), Purpose::Manifest, &packed.manifest_bytes)
                .unwrap();
        }
        fs::write(folder.join("module.sig"), signatures.to_string()).unwrap();
        folder
    }

    async fn ask(&self, path: &Path, as_local: bool) -> Result<Operation, ControlError> {
        let request = InstallRequest {
            path: path.to_owned(),
            as_local,
        };
        let operation = self.world.control.install(request, &me()).await?;
        Ok(self.world.ended(operation.id).await)
    }

    /// `taken`, or the code of the refusal, after which nothing may be left.
    async fn install(&self, path: &Path) -> String {
        let before = names(&self.world.modules());
        let outcome = match self.ask(path, false).await {
            Ok(operation) if operation.status == OperationStatus::Succeeded => "taken".to_owned(),
            Ok(operation) => operation.failure.map(|failure| failure.code).unwrap(),
            Err(error) => error.code().to_owned(),
        };
        if outcome != "taken" {
            assert_eq!(names(&self.world.modules()), before, "{outcome}");
        }
        outcome
    }

    async fn uninstall(&self) {
        let request = UninstallRequest {
            extent: Extent::Data,
            confirm_name: "hello".to_owned(),
        };
        let name = "hello".parse().unwrap();
        let asked = self.world.control.uninstall(&name, request, &me()).await;
        let ended = self.world.ended(asked.unwrap().id).await;
        assert_eq!(ended.status, OperationStatus::Succeeded, "{ended:?}");
    }

    async fn rotate(&self, set: &KeySet, signers: &[u8]) -> &'static str {
        let document = set.to_string();
        let mut signatures = Signatures::default();
        for seed in signers {
            signatures
                .add(&key(*seed), Purpose::KeySet, document.as_bytes())
                .unwrap();
        }
        let control = &self.world.control;
        let rotated = control
            .rotate_publisher(PUBLISHER, document, &signatures.to_string(), &me())
            .await;
        rotated.map_or_else(|error| error.code(), |_| "rotated")
    }

    async fn load(&self) -> Result<Operation, ControlError> {
        self.world.load(&"hello".parse().unwrap()).await
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_signed_package_is_taken_in_whole_and_remembered() {
    let shop = Shop::new().await;
    let package = shop.pack(5, "five", &[1, 3]);

    assert_eq!(shop.install(&package).await, "taken");

    let module = shop.world.module("hello").await;
    assert_eq!((module.trust, module.confirmed), (TrustClass::Signed, None));
    let installed = ["config.schema.json", "hello", "module.sig", "module.toml"];
    assert_eq!(names(&shop.world.folder("hello")), installed);
    let release = shop.world.store.releases().await.unwrap().remove("hello");
    let release = release.unwrap();
    assert_eq!((release.release_seq, release.installed), (5, true));
    assert_eq!(release.signed_by.len(), 2);
    assert!(shop.world.audit().await.iter().any(|row| {
        row.detail
            .contains("release 5 signed by example.org (2 keys)")
    }));
    shop.world.control.rescan().await.unwrap();
    let again = shop.world.module("hello").await;
    assert_eq!(again.trust, TrustClass::Signed, "a look changes nothing");
    shop.load().await.unwrap();
}

#[tokio::test]
async fn each_wrong_signature_is_refused_with_its_code() {
    let shop = Shop::new().await;
    for (signers, code) in [
        (&[1][..], "threshold_not_met"),
        (&[8, 9], "key_unknown"),
        (&[1, 9], "threshold_not_met"),
    ] {
        assert_eq!(shop.install(&shop.pack(5, "five", signers)).await, code);
    }
    let package = shop.pack(5, "five", &[1, 2]);
    program(&package.join("hello"), b"\x7fELF evil");
    assert_eq!(shop.install(&package).await, "file_digest_mismatch");
    let unsigned = shop.pack(5, "five", &[1, 2]);
    fs::remove_file(unsigned.join("module.sig")).unwrap();
    assert_eq!(shop.install(&unsigned).await, "signature_missing");
    let refused = shop.world.refusals("install_module").await;
    assert_eq!(refused.len(), 5, "each is in the audit trail: {refused:?}");
    // After all of them the right one is taken.
    let right = shop.pack(5, "five", &[2, 3]);
    assert_eq!(shop.install(&right).await, "taken");
}

#[tokio::test]
async fn no_release_goes_back_not_even_after_an_uninstall() {
    let shop = Shop::new().await;
    assert_eq!(shop.install(&shop.pack(5, "five", &[1, 2])).await, "taken");
    let (older, twin) = (
        shop.pack(4, "four", &[1, 2]),
        shop.pack(5, "other", &[1, 2]),
    );
    assert_eq!(shop.install(&older).await, "release_rollback");
    assert_eq!(shop.install(&twin).await, "release_conflict");

    shop.uninstall().await;

    assert_eq!(shop.install(&older).await, "release_below_floor");
    assert_eq!(shop.install(&twin).await, "release_conflict");
    assert_eq!(shop.install(&shop.pack(6, "six", &[1, 2])).await, "taken");
    // Rights went with the module: whatever the newer release asks for waits for a new word.
    let module = shop.world.module("hello").await;
    assert!(module.is_waiting());
    let grant = shop.world.store.grant_record(&module.name).await.unwrap();
    assert!(grant.is_none());
}

#[tokio::test]
async fn an_operator_can_forget_a_release_once_its_module_is_gone() {
    let shop = Shop::new().await;
    let control = shop.world.control.clone();
    let name = "hello".parse().unwrap();
    shop.install(&shop.pack(5, "five", &[1, 2])).await;
    let installed = control.forget_release(&name, &me()).await.unwrap_err();
    assert!(installed.to_string().contains("uninstall it first"));
    shop.uninstall().await;
    control.forget_release(&name, &me()).await.unwrap();
    assert!(control.forget_release(&name, &me()).await.is_err());
    assert_eq!(shop.install(&shop.pack(4, "four", &[1, 2])).await, "taken");
}

#[tokio::test]
async fn a_clock_that_was_set_back_brings_nothing_back_to_life() {
    let shop = Shop::new().await;
    let package = shop.pack(5, "five", &[1, 2]);
    let later = SetFact {
        name: "trust.latest_seen",
        value: json!("2101-01-01T00:00:00.000Z"),
    };
    shop.world.store.commit(later).await.unwrap();
    assert_eq!(shop.install(&package).await, "package_expired");
    let seen = shop.world.store.latest_seen().await.unwrap().unwrap();
    assert!(seen.to_string().starts_with("2101-"), "{seen}");
}

#[tokio::test]
async fn thresholds_and_keys_that_vouch_for_nothing_are_refused() {
    let shop = Shop::new().await;
    let add = async |name: &str, keys: Vec<PublicKey>, threshold: usize| {
        let new = NewPublisher {
            name: name.to_owned(),
            keys,
            threshold,
            version: 1,
        };
        let added = shop.world.control.add_publisher(new, &me()).await;
        added.map_or_else(|error| error.code(), |_| "added")
    };
    assert_eq!(add("other.org", public(&[4]), 0).await, "threshold_invalid");
    assert_eq!(add("other.org", public(&[4]), 2).await, "threshold_invalid");
    assert_eq!(add("other.org", public(&[]), 1).await, "threshold_invalid");
    assert_eq!(
        add("other.org", public(&[4, 4]), 2).await,
        "threshold_invalid"
    );
    assert_eq!(add("Other Org", public(&[4]), 1).await, "threshold_invalid");
    assert_eq!(add("other.org", public(&[4]), 1).await, "added");
    assert_eq!(add("other.org", public(&[5]), 1).await, "publisher_exists");
}

#[tokio::test]
async fn keys_change_only_when_old_and_new_ones_agree() {
    let shop = Shop::new().await;
    let next = |version| KeySet {
        name: PUBLISHER.to_owned(),
        version,
        publisher: Publisher::new(&public(&[4, 5]), 2).unwrap(),
    };
    assert_eq!(
        shop.rotate(&next(2), &[4, 5]).await,
        "rotation_lacks_old_keys"
    );
    assert_eq!(
        shop.rotate(&next(2), &[1, 4, 5]).await,
        "rotation_lacks_old_keys"
    );
    assert_eq!(
        shop.rotate(&next(2), &[1, 2, 3]).await,
        "rotation_lacks_new_keys"
    );
    assert_eq!(shop.rotate(&next(3), &[1, 2, 4, 5]).await, "keys_version");
    assert_eq!(shop.rotate(&next(2), &[1, 2, 4, 5]).await, "rotated");
    assert_eq!(shop.rotate(&next(2), &[1, 2, 4, 5]).await, "keys_version");

    assert_eq!(
        shop.install(&shop.pack(5, "old", &[1, 2])).await,
        "key_unknown"
    );
    assert_eq!(shop.install(&shop.pack(5, "new", &[4, 5])).await, "taken");
}

#[tokio::test]
async fn a_publisher_that_was_removed_is_unknown() {
    let shop = Shop::new().await;
    let package = shop.pack(5, "five", &[1, 2]);
    let control = &shop.world.control;
    control.remove_publisher(PUBLISHER, &me()).await.unwrap();
    assert_eq!(shop.install(&package).await, "publisher_unknown");
    assert!(control.remove_publisher(PUBLISHER, &me()).await.is_err());
}

#[tokio::test]
async fn what_nobody_signed_comes_in_on_the_operators_own_word_only() {
    let shop = Shop::new().await;
    let package = shop.pack(5, "five", &[8]);
    assert_eq!(shop.install(&package).await, "key_unknown");

    let ended = shop.ask(&package, true).await.unwrap();

    assert_eq!(ended.status, OperationStatus::Succeeded, "{ended:?}");
    assert_eq!(shop.world.module("hello").await.trust, TrustClass::Local);
    assert!(shop.world.store.releases().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_file_that_changed_since_keeps_a_signed_module_from_being_loaded() {
    type Change = (&'static str, &'static str, fn(&Path));
    let changes: [Change; 3] = [
        ("the program", "file_digest_mismatch", |folder| {
            program(&folder.join("hello"), b"\x7fELF evil");
        }),
        ("the schema", "size_mismatch", |folder| {
            fs::write(folder.join("config.schema.json"), "{\"type\":\"object\"}").unwrap();
        }),
        ("the manifest", "manifest_changed", |folder| {
            let path = folder.join("module.toml");
            let text = fs::read_to_string(&path).unwrap();
            fs::write(path, format!("{text}# as before\n")).unwrap();
        }),
    ];
    for (what, code, change) in changes {
        let shop = Shop::new().await;
        shop.install(&shop.pack(5, "five", &[1, 2])).await;
        let shown = shop.world.module("hello").await.digest;
        change(&shop.world.folder("hello"));
        let load = LoadRequest {
            digest: shown,
            grant: None,
        };
        let name = "hello".parse().unwrap();
        let refused = shop.world.control.load(&name, load, &me()).await;
        assert_eq!(refused.unwrap_err().code(), code, "{what}");
    }
}

#[tokio::test]
async fn after_a_change_at_rest_a_look_says_local() {
    let shop = Shop::new().await;
    shop.install(&shop.pack(5, "five", &[1, 2])).await;
    program(&shop.world.folder("hello").join("hello"), b"\x7fELF evil");
    shop.world.control.rescan().await.unwrap();
    let module = shop.world.module("hello").await;
    assert_eq!(module.trust, TrustClass::Local);
    let problem = module.problem.unwrap_or_default();
    assert!(
        problem.contains("is not the one that module.toml lists"),
        "{problem}"
    );
    assert_eq!(shop.load().await.unwrap_err().code(), "module_broken");
}

#[tokio::test]
async fn of_two_installs_at_once_one_is_taken() {
    let shop = Shop::new().await;
    let (a, b) = (shop.pack(5, "five", &[1, 2]), shop.pack(6, "six", &[1, 2]));
    let (first, second) = tokio::join!(shop.ask(&a, false), shop.ask(&b, false));
    let taken = [&first, &second]
        .into_iter()
        .flatten()
        .filter(|one| one.status == OperationStatus::Succeeded);
    assert_eq!(taken.count(), 1, "{first:?} {second:?}");
    let found = names(&shop.world.modules());
    assert_eq!(found, ["hello"]);
    let folder = shop.world.folder("hello");
    let release = shop
        .world
        .store
        .releases()
        .await
        .unwrap()
        .remove("hello")
        .unwrap();
    bllvm_package::check_installed(&folder, release.digest).unwrap();
}

#[tokio::test]
async fn a_program_that_lost_its_right_to_run_comes_in_with_it() {
    let shop = Shop::new().await;
    let package = shop.pack(5, "five", &[1, 2]);
    fs::set_permissions(package.join("hello"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(shop.install(&package).await, "taken");
    let mode = fs::metadata(shop.world.folder("hello").join("hello"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o755);
}
