//! Which capabilities a module's source uses, as far as text shows it: calls on the SDK's context, and calls on
//! what was taken from it by a name of its own, such as `let node = context.node();`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use bllvm_ipc::Capability;

/// What a call looks like once spaces are gone, and what it needs.
const CALLS: &[(&str, Capability)] = &[
    (".node().tip(", Capability::ChainRead),
    (".node().header(", Capability::ChainRead),
    (".node().header_at(", Capability::ChainRead),
    (".node().headers(", Capability::ChainRead),
    (".node().block(", Capability::ChainRead),
    (".node().block_at(", Capability::ChainRead),
    (".node().filter(", Capability::ChainRead),
    (".node().transaction(", Capability::ChainRead),
    (".node().utxo(", Capability::ChainRead),
    (".node().spent_outputs(", Capability::ChainRead),
    (".node().spent_outputs_page(", Capability::ChainRead),
    (".node().verify_script(", Capability::ChainRead),
    (".node().mempool_", Capability::MempoolRead),
    (".node().test_accept(", Capability::MempoolRead),
    (".node().fee_estimate(", Capability::FeeRead),
    (".node().broadcast(", Capability::TxBroadcast),
    (".node().block_template(", Capability::MiningTemplate),
    (".node().submit_block(", Capability::MiningSubmit),
    (".node().network_info(", Capability::NetworkRead),
    (".node().peers(", Capability::NetworkRead),
    (".node().resolve(", Capability::NetworkResolve),
    (".events().publish", Capability::EventsPublish),
    (".events().subscribe(", Capability::EventsSubscribe),
    (
        "const EVENTS: &'static [&'static str] = &[\"",
        Capability::EventsSubscribe,
    ),
    (".storage()", Capability::Storage),
    (".modules().list(", Capability::ModuleList),
    (".modules().call", Capability::ModuleCall),
    (".modules().register(", Capability::ModuleRegister),
    ("Methods::new().method(", Capability::ModuleRegister),
    (".ui()", Capability::Ui),
    ("context.publish(", Capability::EventsPublish),
    (".webhook_body(", Capability::WebhooksRead),
    (".judge_webhook(", Capability::WebhooksRead),
];

/// What is taken from the context and may be given a name, or handed on.
const PARTS: &[&str] = &[".node()", ".events()", ".modules()"];

/// What was seen.
#[derive(Debug, Default)]
pub struct Uses {
    /// Each capability with the first place that needs it, as `src/file.rs: what`.
    pub certain: BTreeMap<Capability, String>,
    /// Calls of the same name on something that has a name of its own. It may be a part of the context.
    possible: BTreeSet<Capability>,
    /// Parts that go by a name of their own somewhere.
    named: BTreeSet<&'static str>,
}

impl Uses {
    /// Whether some use of it is seen, or may be one.
    pub fn perhaps(&self, capability: Capability) -> bool {
        self.certain.contains_key(&capability) || self.possible.contains(&capability)
    }
}

/// What the sources below a folder use.
pub fn capabilities_used(source: &Path) -> Uses {
    let mut uses = Uses::default();
    let mut texts = Vec::new();
    look(source, source, &mut uses, &mut texts);
    for text in &texts {
        uses.possible.extend(possible(text, &uses.named));
    }
    uses
}

fn look(top: &Path, folder: &Path, uses: &mut Uses, texts: &mut Vec<String>) {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            look(top, &path, uses, texts);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let code = dense(&fs::read_to_string(&path).unwrap_or_default());
            let shown = path
                .strip_prefix(top)
                .unwrap_or(&path)
                .display()
                .to_string();
            for (capability, call) in calls(&code) {
                uses.certain
                    .entry(capability)
                    .or_insert_with(|| format!("src/{shown}: `{call}…`"));
            }
            uses.named.extend(named(&code));
            texts.push(code);
        }
    }
}

/// A source text without its comments, its tests and its spaces.
fn dense(text: &str) -> String {
    let code = text.split("#[cfg(test)]").next().unwrap_or(text);
    code.lines()
        .map(|line| line.split("//").next().unwrap_or(line))
        .flat_map(str::chars)
        .filter(|c| !c.is_whitespace())
        .collect()
}

fn calls(code: &str) -> Vec<(Capability, &'static str)> {
    let found = CALLS.iter().filter(|(call, _)| code.contains(&dense(call)));
    found
        .map(|(call, capability)| (*capability, *call))
        .collect()
}

/// Parts of the context on which nothing is called at once.
fn named(code: &str) -> Vec<&'static str> {
    let is_named = |part: &&&str| {
        code.split(**part)
            .skip(1)
            .any(|rest| !rest.starts_with('.'))
    };
    PARTS.iter().filter(is_named).copied().collect()
}

fn possible(code: &str, named: &BTreeSet<&str>) -> Vec<Capability> {
    let found = CALLS.iter().filter(|(call, _)| {
        named.iter().any(|part| {
            let method = call.strip_prefix(part);
            method.is_some_and(|method| code.contains(method))
        })
    });
    found.map(|(_, capability)| *capability).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_seen_across_lines_and_not_in_comments() {
        let text = "
            // self.context.ui().status(&[])
            let tip = self.context
                .node()
                .tip().await?;
            #[cfg(test)]
            mod tests { fn t() { c.storage().get(b\"x\"); } }
        ";
        assert_eq!(
            calls(&dense(text)),
            [(Capability::ChainRead, ".node().tip(")]
        );
    }

    #[test]
    fn subscriptions_count_only_where_there_are_some() {
        let some = "const EVENTS: &'static [&'static str] = &[\"chain.*\"];";
        assert_eq!(calls(&dense(some))[0].0, Capability::EventsSubscribe);
        let none = dense("const EVENTS: &'static [&'static str] = &[];");
        assert!(calls(&none).is_empty());
    }

    #[test]
    fn what_has_a_name_of_its_own_may_be_a_use() {
        let folder = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| fs::write(folder.path().join(file), text).unwrap();
        write("a.rs", "let node = self.context.node(); other(&node);");
        write(
            "b.rs",
            "fn other(node: &Node) { node.fee_estimate(2).await?; }",
        );

        let uses = capabilities_used(folder.path());

        assert!(uses.certain.is_empty());
        assert!(uses.perhaps(Capability::FeeRead));
        assert!(!uses.perhaps(Capability::MiningSubmit));
        write("a.rs", "self.context.node().tip();");
        let uses = capabilities_used(folder.path());
        assert!(uses.perhaps(Capability::ChainRead));
        assert!(
            !uses.perhaps(Capability::FeeRead),
            "no node has a name of its own"
        );
    }

    #[test]
    fn every_capability_has_a_call_that_uses_it() {
        for capability in Capability::ALL {
            let known = CALLS.iter().any(|(_, one)| one == capability);
            assert!(known, "{capability}");
        }
    }

    #[test]
    fn our_own_modules_ask_for_what_they_use() {
        let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for module in [
            "bllvm-governance",
            "examples/block-clock",
            "examples/faucet",
        ] {
            let folder = modules.join(module);
            let project = crate::project::Project::open(&folder).unwrap();
            let report = super::super::check::findings(&project).report();
            assert!(
                !report.text.contains("capabilit"),
                "{module}: {}",
                report.text
            );
            assert!(
                !report.text.contains("no use of it"),
                "{module}: {}",
                report.text
            );
        }
    }
}
