//! The manifest as authors meet it: a good one, each bad one, and properties of all.

use proptest::collection::{btree_map, btree_set, vec};
use proptest::option::of;
use proptest::prelude::*;
use semver::VersionReq;

use super::*;
use crate::error::ManifestError;
use crate::file::FileError;
use crate::{Digest, Problem};

const FIXTURE: &str = include_str!("../../tests/fixtures/module.toml");
const SHORTEST: &str = "name = \"a\"\nversion = \"0.1.0\"\nentry_point = \"a\"\n";

/// What is wrong with the shortest manifest and some more lines.
fn problems(more: &str) -> Vec<Problem> {
    match Manifest::parse(&format!("{SHORTEST}{more}")) {
        Ok(manifest) => panic!("accepted: {more}\n{manifest:?}"),
        Err(ManifestError::Invalid { problems }) => problems,
        Err(other) => panic!("{more}: {other}"),
    }
}

/// The only thing wrong with the shortest manifest and some more lines.
fn problem(more: &str) -> Problem {
    let problems = problems(more);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    problems.into_iter().next().unwrap()
}

#[test]
fn the_fixture_is_read_key_by_key() {
    let manifest = Manifest::parse(FIXTURE).unwrap();
    assert_eq!(manifest.name, "block-clock");
    assert_eq!(manifest.version, semver::Version::new(0, 2, 0));
    assert_eq!(manifest.capabilities, ["chain.read", "events.subscribe"]);
    assert_eq!(
        manifest.network.listeners["http"],
        "127.0.0.1:8090".parse().unwrap()
    );
    assert!(manifest.network.outgoing.allows(443) && !manifest.network.outgoing.allows(80));
    assert_eq!(manifest.resources.memory, ByteSize::mib(64));
    assert_eq!(manifest.resources.cpu_percent, 50);
    assert_eq!(
        manifest.config.as_ref().unwrap().schema,
        "config.schema.json"
    );
    assert_eq!(
        manifest.data.compatible_from,
        Some(semver::Version::new(0, 1, 0))
    );
    assert_eq!(manifest.title(), "Block clock");
    assert_eq!(manifest.reload.mode, ReloadMode::Overlap);
    assert_eq!(manifest.restart.initial().as_millis(), 100);
    assert!(manifest.dependencies["bllvm-mesh"].matches(&semver::Version::new(0, 1, 9)));
    // Upstream's engine ignored the upper bound of exactly this requirement.
    assert!(
        !manifest.optional_dependencies["bllvm-lightning"].matches(&semver::Version::new(0, 3, 0))
    );
}

#[test]
fn the_shortest_manifest_has_every_default() {
    let manifest = Manifest::parse(SHORTEST).unwrap();
    assert_eq!(manifest.protocol, ProtocolRange { min: 1, max: 1 });
    assert_eq!(manifest.resources, Resources::default());
    assert_eq!(manifest.restart, Restart::default());
    assert_eq!(manifest.reload.mode, ReloadMode::Exclusive);
    assert_eq!(manifest.network, Network::default());
    assert!(manifest.capabilities.is_empty() && manifest.package.is_none());
}

#[test]
fn every_example_of_the_reference_page_is_valid() {
    let page = include_str!("../../MANIFEST.md");
    let examples: Vec<&str> = page
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert_eq!(examples.len(), 2);
    for example in examples {
        Manifest::parse(example).unwrap();
    }
}

#[test]
fn an_unknown_key_is_named_in_full_with_what_was_meant() {
    let top = problem("versoin = 1");
    assert_eq!(
        (top.key.as_str(), top.help.as_str()),
        ("versoin", "did you mean `version`?")
    );
    let nested = problem("[resources]\nmemroy = \"1GiB\"");
    assert_eq!(nested.key, "resources.memroy");
    assert_eq!(nested.help, "did you mean `memory`?");
    let misplaced = problem("[ui]\ninterpreter = \"x\"");
    assert_eq!(misplaced.help, "it belongs into [runtime]");
    let strange = problem("\"a b\\n\" = 1");
    assert_eq!(strange.key, "\"a b\\n\"");
    let listed = problems("[package]\nfiles = [{ path = \"a\", hash = \"x\" }]");
    assert!(
        listed
            .iter()
            .any(|problem| problem.key == "package.files[0].hash")
    );
}

#[test]
fn a_wrong_type_names_key_expected_and_found() {
    for (more, key, expected, found) in [
        ("description = 1", "description", "a text", "a whole number"),
        (
            "capabilities = \"chain\"",
            "capabilities",
            "a list",
            "a text",
        ),
        (
            "capabilities = [1]",
            "capabilities[0]",
            "a text",
            "a whole number",
        ),
        ("network = []", "network", "a table", "a list"),
        (
            "[resources]\nmemory = 5",
            "resources.memory",
            "a size with its unit",
            "a whole number",
        ),
        (
            "[resources]\npids = 1.5",
            "resources.pids",
            "a whole number",
            "a number with a point",
        ),
        (
            "[network]\noutgoing = true",
            "network.outgoing",
            "a list of ports or \"any\"",
            "true or false",
        ),
        (
            "[dependencies]\nb = { version = \"1\" }",
            "dependencies.b",
            "a text",
            "a table",
        ),
    ] {
        let found_problem = problem(more);
        assert_eq!(found_problem.key, key);
        assert_eq!(
            found_problem.problem,
            format!("expected {expected}, found {found}")
        );
    }
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for (more, key) in [
        ("homepage = \"javascript:alert(1)\"", "homepage"),
        ("description = \"two\\nlines\"", "description"),
        ("author = \" \"", "author"),
        ("protocol = 0", "protocol"),
        ("protocol = [2, 1]", "protocol"),
        ("protocol = \"one\"", "protocol"),
        ("capabilities = [\"Chain.Read\"]", "capabilities[0]"),
        (
            "capabilities = [\"chain.read\", \"chain.read\"]",
            "capabilities[1]",
        ),
        ("[dependencies]\na = \"1\"", "dependencies.a"),
        ("[dependencies]\nb = \">=1 <2 !\"", "dependencies.b"),
        ("[dependencies]\nB = \"1\"", "dependencies.B"),
        ("[network]\noutgoing = [0]", "network.outgoing"),
        ("[network]\noutgoing = \"all\"", "network.outgoing"),
        (
            "[network.listeners]\nbllvm = \"127.0.0.1:1\"",
            "network.listeners.bllvm",
        ),
        (
            "[network.listeners]\nhttp = \"localhost\"",
            "network.listeners.http",
        ),
        (
            "[network.listeners]\na = \"127.0.0.1:1\"\nb = \"127.0.0.1:1\"",
            "network.listeners.b",
        ),
        ("[resources]\nmemory = \"1KiB\"", "resources.memory"),
        ("[resources]\ncpu = 0", "resources.cpu"),
        ("[config]\nschema = \"../secret.json\"", "config.schema"),
        ("[config]\nschema = \"/etc/passwd\"", "config.schema"),
        ("[config]", "config.schema"),
        (
            "[data]\ncompatible_from = \"0.2.0\"",
            "data.compatible_from",
        ),
        ("[ui]\nicon = \"<svg>\"", "ui.icon"),
        ("[ui]\nstatus = [\"a b\"]", "ui.status[0]"),
        (
            "[ui]\npages = [{ id = \"a\", title = \"A\" }]",
            "ui.pages[0].method",
        ),
        (
            "[ui]\npages = [{ id = \"a/b\", title = \"A\", method = \"a\" }]",
            "ui.pages[0].id",
        ),
        (
            "[ui]\npages = [{ id = \"a\", title = \"A\", method = \"a b\" }]",
            "ui.pages[0].method",
        ),
        (
            "[ui]\npages = [{ id = \"a\", title = \"A\", method = \"a\", html = \"\" }]",
            "ui.pages[0].html",
        ),
        ("[ui]\npages = [\"a\"]", "ui.pages[0]"),
        (
            "[ui]\npages = [{ id = \"a\", title = \"A\", method = \"a\" }, { id = \"a\", title = \"B\", method = \"b\" }]",
            "ui.pages[1].id",
        ),
        ("[reload]\nmode = \"fast\"", "reload.mode"),
        ("[restart]\ninitial_ms = 100\nmax_ms = 50", "restart.max_ms"),
        (
            "[runtime]\ninterpreter = \"/usr/bin/python3\"",
            "runtime.interpreter",
        ),
    ] {
        assert_eq!(problem(more).key, key, "{more}");
    }
    let both = problem("[dependencies]\nb = \"1\"\n[optional_dependencies]\nb = \"1\"");
    assert_eq!(both.key, "optional_dependencies");
}

#[test]
fn an_entry_point_with_a_path_is_refused() {
    for entry in ["../evil", "bin/a", "/bin/sh", ".."] {
        let text = format!("name = \"a\"\nversion = \"0.1.0\"\nentry_point = \"{entry}\"");
        let error = Manifest::parse(&text).unwrap_err();
        assert_eq!(error.problems()[0].key, "entry_point", "{entry}");
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let error = Manifest::parse("name = \"A\"\nentry_point = 1\ncolour = 1").unwrap_err();
    let keys: Vec<&str> = error
        .problems()
        .iter()
        .map(|problem| problem.key.as_str())
        .collect();
    assert_eq!(keys, ["colour", "version", "name", "entry_point"]);
    assert!(error.to_string().starts_with("4 problems:"), "{error}");
}

#[test]
fn a_key_given_twice_has_its_place() {
    let error = Manifest::parse(&format!("{SHORTEST}name = \"b\"")).unwrap_err();
    assert!(
        matches!(error, ManifestError::Syntax { line: 4, .. }),
        "{error:?}"
    );
}

#[test]
fn ten_megabytes_are_refused_by_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("module.toml");
    std::fs::write(&path, vec![b'#'; 10_000_000]).unwrap();
    let error = Manifest::read(&path).unwrap_err();
    let limit = MAX_MANIFEST_BYTES as u64;
    assert!(
        matches!(&error, ManifestError::File(FileError::TooLarge { size: 10_000_000, limit: l, .. }) if *l == limit),
        "{error:?}"
    );
    let text = "#".repeat(MAX_MANIFEST_BYTES + 1);
    assert!(matches!(
        Manifest::parse(&text),
        Err(ManifestError::TooLarge { .. })
    ));
}

#[test]
fn bytes_that_are_no_text_have_their_place() {
    let error = Manifest::parse_bytes(b"name = \"a\"\nauthor = \"\xE9\"").unwrap_err();
    assert!(
        matches!(
            error,
            ManifestError::NotUtf8 {
                line: 2,
                column: 11
            }
        ),
        "{error:?}"
    );
}

#[test]
fn deep_nesting_is_an_error_and_no_crash() {
    let text = format!("{SHORTEST}a = {}{}", "[".repeat(20_000), "]".repeat(20_000));
    assert!(Manifest::parse(&text).is_err());
    assert!(Manifest::parse(&format!("{SHORTEST}{} = 1", vec!["a"; 20_000].join("."))).is_err());
}

#[test]
fn a_package_lists_its_files() {
    let digest = Digest::of("x");
    let table = format!(
        "[package]\ntarget = \"x86_64-unknown-linux-gnu\"\nrelease_seq = 7\npublisher = \"example.org\"\n\
         expires = 2027-01-31T00:00:00Z\nfiles = [{{ path = \"bin/a\", sha256 = \"{digest}\", size = 1 }}]"
    );
    let manifest = Manifest::parse(&format!("{SHORTEST}{table}")).unwrap();
    let package = manifest.package.unwrap();
    assert_eq!(package.files[0].sha256, digest);
    assert_eq!(package.expires.unwrap().to_string(), "2027-01-31T00:00:00Z");

    for (from, to, key) in [
        ("bin/a", "../a", "package.files[0].path"),
        ("bin/a", "module.toml", "package.files[0].path"),
        ("sha256:", "", "package.files[0].sha256"),
        ("release_seq = 7", "release_seq = 0", "package.release_seq"),
        ("2027-01-31T00:00:00Z", "\"soon\"", "package.expires"),
        ("publisher = \"example.org\"\n", "", "package.publisher"),
    ] {
        assert_eq!(problem(&table.replace(from, to)).key, key);
    }
}

#[test]
fn capabilities_are_compared_with_a_list() {
    let manifest = Manifest::parse(FIXTURE).unwrap();
    assert_eq!(
        manifest.unknown_capabilities(&["chain.read"]),
        ["events.subscribe"]
    );
}

#[test]
fn json_is_read_by_the_same_rules() {
    let manifest = Manifest::parse(FIXTURE).unwrap();
    let mut json = serde_json::to_value(&manifest).unwrap();
    assert_eq!(json["resources"]["cpu"], 50);
    assert_eq!(
        serde_json::from_value::<Manifest>(json.clone()).unwrap(),
        manifest
    );
    json["entry_point"] = "../evil".into();
    assert!(serde_json::from_value::<Manifest>(json).is_err());
}

#[test]
fn the_openapi_schema_knows_every_part() {
    use utoipa::{PartialSchema, ToSchema};
    let schema = serde_json::to_value(Manifest::schema()).unwrap();
    let written = serde_json::to_value(Manifest::parse(FIXTURE).unwrap()).unwrap();
    for key in written.as_object().unwrap().keys() {
        assert!(
            schema["properties"].get(key).is_some(),
            "{key} is not in the OpenAPI schema"
        );
    }
    let mut parts = Vec::new();
    Manifest::schemas(&mut parts);
    assert!(parts.iter().any(|(name, _)| name == "Resources"));
}

prop_compose! {
    fn name()(text in "[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,4}){0,2}") -> crate::ModuleName {
        text.parse().unwrap()
    }
}

prop_compose! {
    fn line()(text in "[^\\p{Cc}]{0,20}[a-zA-ZäöüЖ\"'\\\\]") -> String { text }
}

prop_compose! {
    fn version()(major in 0..50_u64, minor in 0..50_u64, pre in "(|-rc\\.[1-9])") -> semver::Version {
        format!("{major}.{minor}.0{pre}").parse().unwrap()
    }
}

fn requirement() -> impl Strategy<Value = VersionReq> {
    (
        prop::sample::select(vec!["^", "~", "=", ">=", ">", "<", ""]),
        version(),
        any::<bool>(),
    )
        .prop_map(|(operator, version, bounded)| {
            let bound = if bounded { ", <100" } else { "" };
            format!("{operator}{version}{bound}").parse().unwrap()
        })
}

prop_compose! {
    fn network()(
        outgoing in prop_oneof![
            Just(Outgoing::Any),
            btree_set(1_u16.., 0..5).prop_map(Outgoing::Ports),
        ],
        udp in any::<bool>(),
        ports in btree_map("[a-z]{1,8}", 1_u16.., 0..4),
    ) -> Network {
        // Ports may repeat between names; addresses must not.
        let listeners = ports.iter().zip(1_u8..).map(|((name, port), host)| {
            (format!("x{name}").parse().unwrap(), ([127, 0, 0, host], *port).into())
        });
        Network { outgoing, udp, listeners: listeners.collect() }
    }
}

prop_compose! {
    fn package()(
        release_seq in 1..=i64::MAX.unsigned_abs(),
        expires in of(0..4_000_000_000_i64),
        paths in btree_set("[a-z]{1,5}(/[a-z]{1,5}){0,3}", 0..5),
        size in 0..=i64::MAX.unsigned_abs(),
    ) -> Package {
        let files = paths.into_iter().map(|path| PackageFile {
            sha256: Digest::of(&path),
            path: path.parse().unwrap(),
            size,
        });
        Package {
            target: "x86_64-unknown-linux-gnu".to_owned(),
            release_seq,
            expires: expires.map(|second| jiff::Timestamp::from_second(second).unwrap()),
            publisher: "example.org".to_owned(),
            files: files.collect(),
        }
    }
}

prop_compose! {
    fn parts()(
        protocol in (1_u16..9, 0_u16..9).prop_map(|(min, more)| ProtocolRange { min, max: min + more }),
        network in network(),
        memory in (4..4096_u64).prop_map(ByteSize::mib),
        (cpu_percent, pids, files) in (1..800_u32, 1..999_u32, 16..9999_u32),
        restart in (1..5000_u64, 0..5000_u64, 1..99_u64),
        mode in prop::sample::select(vec![ReloadMode::InPlace, ReloadMode::Overlap, ReloadMode::Exclusive]),
        ui in (of(line()), vec("[a-z_]{3}", 0..1), vec(("[a-z]{2}", line(), "[a-z_]{3}", any::<bool>()), 0..2)),
        (script, config) in any::<(bool, bool)>(),
        package in of(package()),
    ) -> Manifest {
        let mut manifest = Manifest::parse(SHORTEST).unwrap();
        manifest.protocol = protocol;
        manifest.network = network;
        manifest.resources = Resources { memory, cpu_percent, pids, files, file_size: memory };
        manifest.sandbox.programs = script;
        let (initial_ms, more, healthy_after_ms) = restart;
        manifest.restart = Restart { initial_ms, max_ms: initial_ms + more, healthy_after_ms };
        manifest.reload = Reload { mode };
        let mut pages: Vec<UiPage> = ui.2.into_iter().map(|(id, title, method, listed)| UiPage { id, title, method, listed }).collect();
        pages.dedup_by(|one, other| one.id == other.id);
        manifest.ui = Ui { title: ui.0, icon: None, status: ui.1, pages };
        manifest.runtime = script.then(|| Runtime { interpreter: "python3".parse().unwrap() });
        manifest.config = config.then(|| ConfigFile { schema: "a/b.json".parse().unwrap() });
        manifest.package = package;
        manifest
    }
}

prop_compose! {
    fn manifest()(
        base in parts(),
        name in name(),
        version in version(),
        texts in (of(line()), of(line()), of(line())),
        capabilities in btree_set("[a-z]{1,6}(\\.[a-z_]{1,6})?", 0..6),
        needs in btree_map(name(), requirement(), 0..5),
        likes in btree_map(name(), requirement(), 0..5),
        compatible in any::<bool>(),
    ) -> Manifest {
        let mut manifest = base;
        manifest.dependencies = needs.into_iter().filter(|(other, _)| *other != name).collect();
        manifest.optional_dependencies = likes
            .into_iter()
            .filter(|(other, _)| *other != name && !manifest.dependencies.contains_key(other))
            .collect();
        manifest.data.compatible_from = compatible.then(|| version.clone());
        manifest.name = name;
        manifest.version = version;
        (manifest.description, manifest.author, manifest.license) = texts;
        manifest.capabilities = capabilities.into_iter().collect();
        manifest
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(manifest in manifest()) {
        let text = manifest.to_toml().unwrap();
        prop_assert_eq!(Manifest::parse(&text).unwrap(), manifest);
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = Manifest::parse(&text);
    }

    #[test]
    fn no_bytes_panic(bytes in any::<Vec<u8>>()) {
        let _ = Manifest::parse_bytes(&bytes);
    }

    #[test]
    fn no_damage_to_a_good_manifest_panics(
        at in any::<prop::sample::Index>(),
        length in 0_usize..20,
        junk in "[a-z0-9=\\[\\]{}\"'.,\n -]{0,12}",
    ) {
        let mut bytes = FIXTURE.as_bytes().to_vec();
        let start = at.index(bytes.len());
        let end = (start + length).min(bytes.len());
        bytes.splice(start..end, junk.bytes());
        if let Ok(manifest) = Manifest::parse_bytes(&bytes) {
            prop_assert_eq!(Manifest::parse(&manifest.to_toml().unwrap()).unwrap(), manifest);
        }
    }

    #[test]
    fn any_value_under_any_key_is_judged(
        key in prop::sample::select(known_keys().collect::<Vec<_>>()),
        value in prop_oneof![
            Just("1".to_owned()), Just("-1".to_owned()), Just("9223372036854775807".to_owned()),
            Just("nan".to_owned()), Just("true".to_owned()), Just("\"\"".to_owned()),
            Just("[]".to_owned()), Just("[[]]".to_owned()), Just("{}".to_owned()),
            Just("{ a = 1 }".to_owned()), Just("1979-05-27".to_owned()), Just("\"x\\u0000\"".to_owned()),
        ],
    ) {
        let _ = Manifest::parse(&format!("{key} = {value}\n"));
    }
}
