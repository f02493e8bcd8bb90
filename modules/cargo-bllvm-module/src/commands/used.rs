//! Which capabilities a module's source uses, as far as text shows it: calls on the SDK's context.

use std::collections::BTreeMap;
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
    (".storage().", Capability::Storage),
    (".modules().list(", Capability::ModuleList),
    (".modules().call", Capability::ModuleCall),
    (".modules().register(", Capability::ModuleRegister),
    ("Methods::new().method(", Capability::ModuleRegister),
    (".ui().", Capability::Ui),
];

/// Each capability with the first place that uses it, as `src/file.rs: what`.
pub fn capabilities_used(source: &Path) -> BTreeMap<Capability, String> {
    let mut used = BTreeMap::new();
    look(source, source, &mut used);
    used
}

fn look(top: &Path, folder: &Path, used: &mut BTreeMap<Capability, String>) {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            look(top, &path, used);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let shown = path
                .strip_prefix(top)
                .unwrap_or(&path)
                .display()
                .to_string();
            for (capability, call) in calls(&text) {
                used.entry(capability)
                    .or_insert_with(|| format!("src/{shown}: `{call}…`"));
            }
        }
    }
}

/// The calls in a source text, without its comments and its tests.
fn calls(text: &str) -> Vec<(Capability, &'static str)> {
    let code = text.split("#[cfg(test)]").next().unwrap_or(text);
    let dense: String = code
        .lines()
        .map(|line| line.split("//").next().unwrap_or(line))
        .flat_map(str::chars)
        .filter(|c| !c.is_whitespace())
        .collect();
    let found = CALLS.iter().filter(|(call, _)| {
        let call: String = call.chars().filter(|c| !c.is_whitespace()).collect();
        dense.contains(&call)
    });
    found
        .map(|(call, capability)| (*capability, *call))
        .collect()
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
        assert_eq!(calls(text), [(Capability::ChainRead, ".node().tip(")]);
    }

    #[test]
    fn subscriptions_count_only_where_there_are_some() {
        let some = "const EVENTS: &'static [&'static str] = &[\"chain.*\"];";
        assert_eq!(calls(some)[0].0, Capability::EventsSubscribe);
        assert!(calls("const EVENTS: &'static [&'static str] = &[];").is_empty());
    }
}
