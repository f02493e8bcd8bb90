//! What lies in the modules directory and in cargo's bin folder.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::{ModuleEntry, World, manifest, me, program};
use crate::control::{ControlCode, ControlError, changed_program};
use crate::model::{DesiredState, Source};

#[tokio::test]
async fn a_hand_placed_module_waits_and_is_announced() {
    let world = World::new().await;
    world.put("clock", "");

    world.control.rescan().await.unwrap();

    let module = world.module("clock").await;
    assert!(module.is_waiting() && module.problem.is_none() && module.digest.is_some());
    assert_eq!(module.source, Source::Directory);
    assert!(world.events().await.contains("module.found"));
}

#[tokio::test]
async fn what_is_wrong_with_a_folder_names_file_key_and_way_out() {
    let world = World::new().await;
    let write = |name: &str, text: &str| {
        fs::create_dir_all(world.folder(name)).unwrap();
        fs::write(world.folder(name).join("module.toml"), text).unwrap();
    };
    write(
        "unknown-key",
        &("versoin = 1\n".to_owned() + &manifest("unknown-key", "")),
    );
    write("not-toml", "name = ");
    write("huge", &"#".repeat(10 << 20));
    write("no-program", &manifest("no-program", ""));
    fs::create_dir_all(world.folder("no-manifest")).unwrap();
    world.put("two", "");
    world.put("one", "");
    write("one", &manifest("two", ""));
    world.put("greedy", "");
    let text = manifest("greedy", "").replace("chain.read", "chain.raed");
    write("greedy", &text);
    world.put("locked", "");
    let locked = world.folder("locked").join("locked");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o644)).unwrap();
    let outside = tempfile::tempdir().unwrap();
    symlink(outside.path(), world.folder("linked")).unwrap();
    world.put("no-schema", "");
    fs::remove_file(world.folder("no-schema").join("config.schema.json")).unwrap();
    fs::create_dir(world.folder("Bad Name")).unwrap();

    world.control.rescan().await.unwrap();

    let said = [
        ("unknown-key", ["module.toml", "versoin", "version"]),
        ("not-toml", ["module.toml", "line 1", "correct the line"]),
        (
            "huge",
            ["module.toml", "10485760 bytes", "a manifest holds no data"],
        ),
        (
            "no-program",
            [
                "no program was found",
                "no-program/target/release/no-program",
                "build it",
            ],
        ),
        (
            "no-manifest",
            ["no-manifest/module.toml", "does not exist", "put one there"],
        ),
        ("one", ["module.toml", "`two`", "give both the same name"]),
        (
            "greedy",
            ["`capabilities`", "chain.raed", "did you mean `chain.read`"],
        ),
        (
            "locked",
            ["may not be executed", "chmod +x", "locked/locked"],
        ),
        (
            "linked",
            ["linked", "outside the modules directory", "copy the folder"],
        ),
        (
            "no-schema",
            ["config.schema", "config.schema.json", "does not exist"],
        ),
    ];
    for (name, parts) in said {
        let problem = world.problem(name).await;
        for part in parts {
            assert!(problem.contains(part), "{name}: {problem} lacks {part}");
        }
        let name = name.parse().unwrap();
        let refused = world.load(&name);
        let refused = refused.await.unwrap_err();
        assert!(matches!(
            refused,
            ControlError::Conflict {
                code: ControlCode::ModuleBroken,
                ..
            }
        ));
    }
    assert_eq!(world.problem("two").await, "");
    assert!(world.control.strays()[0].problem.contains("Bad Name"));
}

#[tokio::test]
async fn a_mended_module_is_seen_and_a_removed_one_is_forgotten_or_marked() {
    let world = World::new().await;
    world.put("clock", "");
    let binary = world.folder("clock").join("clock");
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o644)).unwrap();
    let mut eyes = super::super::discovery::Eyes::default();
    world.control.discover(&mut eyes).await.unwrap();
    assert!(world.problem("clock").await.contains("chmod"));

    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
    world.control.discover(&mut eyes).await.unwrap();
    assert_eq!(world.problem("clock").await, "");

    fs::remove_dir_all(world.folder("clock")).unwrap();
    world.control.discover(&mut eyes).await.unwrap();
    assert!(world.store.modules().await.unwrap().is_empty());

    world.loaded("confirmed").await;
    fs::remove_dir_all(world.folder("confirmed")).unwrap();
    world.control.discover(&mut eyes).await.unwrap();
    assert!(
        world
            .problem("confirmed")
            .await
            .contains("its files are gone")
    );
}

#[tokio::test]
async fn a_changed_program_of_a_confirmed_module_needs_its_digest() {
    let world = World::new().await;
    let name = world.loaded("clock").await;
    program(&world.folder("clock").join("clock"), b"\x7fELF another");
    world.control.rescan().await.unwrap();

    let module = world.module("clock").await;
    let found = module.digest.unwrap();
    assert!(
        changed_program(&module)
            .unwrap()
            .contains(&found.to_string())
    );
    let refused = world.control.reload(&name, None, &me()).await.unwrap_err();
    let text = refused.to_string();
    assert!(text.contains(&found.to_string()), "{text}");
    assert!(
        text.contains(&module.confirmed.unwrap().to_string()),
        "{text}"
    );

    world
        .control
        .reload(&name, Some(found), &me())
        .await
        .unwrap();
    assert_eq!(world.module("clock").await.confirmed, Some(found));
}

#[tokio::test]
async fn what_the_nodes_configuration_names_is_loaded_at_the_start() {
    let entry = ModuleEntry {
        enabled: Some(true),
        grant_requested: true,
        config: "greeting = \"hi\"".parse().unwrap(),
    };
    let entries = BTreeMap::from([("clock".parse().unwrap(), entry)]);
    let world = World::with(entries, Vec::new()).await;
    let name = world.put("clock", "");
    world.put("other", "");

    world.control.start().await.unwrap();

    let module = world.module("clock").await;
    assert_eq!(module.desired, DesiredState::Running);
    assert!(!module.is_waiting());
    assert_eq!(
        world.store.grant(&name).await.unwrap().capabilities.len(),
        1
    );
    assert_eq!(
        world.control.config(&name).await.unwrap().json["greeting"],
        "hi"
    );
    assert!(world.module("other").await.is_waiting());
}

#[tokio::test]
async fn a_program_in_cargos_bin_folder_waits_and_gets_its_folder_at_the_first_load() {
    let bin = tempfile::tempdir().unwrap();
    let text = "name = \"clock\"\nversion = \"0.1.0\"\nentry_point = \"clock\"\n";
    program(&bin.path().join("bllvm-clock"), &elf_with(text.as_bytes()));
    program(&bin.path().join("other"), b"#!/bin/sh\nexit 1\n");
    let world = World::with(BTreeMap::new(), vec![bin.path().to_owned()]).await;

    world.control.rescan().await.unwrap();
    let waiting = world.module("clock").await;
    assert!(waiting.is_waiting() && waiting.source == Source::Cargo);
    assert!(!world.folder("clock").exists());
    assert_eq!(world.store.modules().await.unwrap().len(), 1);

    let name = "clock".parse().unwrap();
    world.load(&name).await.unwrap();
    assert!(world.folder("clock").join("clock").exists());
    assert_eq!(
        fs::read_to_string(world.folder("clock").join("module.toml")).unwrap(),
        text
    );
    world.control.rescan().await.unwrap();
    let loaded = world.module("clock").await;
    assert_eq!(
        (loaded.source, loaded.confirmed),
        (Source::Cargo, loaded.digest)
    );
    assert_eq!(loaded.problem, None);
}

/// The smallest ELF file with the manifest's section.
fn elf_with(manifest: &[u8]) -> Vec<u8> {
    let names = b"\0.shstrtab\0.bllvm.manifest\0";
    let (names_at, manifest_at) = (64, 64 + names.len());
    let table_at = (manifest_at + manifest.len()).next_multiple_of(8);
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let half = |file: &mut Vec<u8>, value: u16| file.extend(value.to_le_bytes());
    let word = |file: &mut Vec<u8>, value: u32| file.extend(value.to_le_bytes());
    let long = |file: &mut Vec<u8>, value: usize| file.extend((value as u64).to_le_bytes());
    half(&mut file, 2);
    half(&mut file, 62);
    word(&mut file, 1);
    long(&mut file, 0);
    long(&mut file, 0);
    long(&mut file, table_at);
    word(&mut file, 0);
    for value in [64, 0, 0, 64, 3, 1] {
        half(&mut file, value);
    }
    file.extend(names);
    file.extend(manifest);
    file.resize(table_at, 0);
    let sections = [
        (0, 0, 0, 0),
        (1, 3, names_at, names.len()),
        (11, 1, manifest_at, manifest.len()),
    ];
    for (name, kind, at, size) in sections {
        word(&mut file, name);
        word(&mut file, kind);
        for value in [0, 0, at, size, 0, 1, 0] {
            // link and info share one long of zeros.
            long(&mut file, value);
        }
    }
    file
}
