//! What people run by hand: make a key, sign a statement, count a transcript again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

use bitcoin::Network;
use bitcoin::constants::genesis_block;
use bitcoin::secp256k1::{Keypair, Message, Secp256k1, SecretKey, rand};

use crate::rules::{Preset, Rules};
use crate::statement::{Action, Statement, reason_hash};
use crate::veto::{Side, Transcript};

const USAGE: u8 = 64;
const SIGN: &str = "bllvm-governance sign --key-file FILE --chain regtest --repository owner/name \
--number 7 --head COMMIT --action sign|veto|support|abstain --nonce 1 --from 0 --to 2016 \
[--rules economic_veto_2025] [--reason TEXT]";

/// Runs a command, if the first argument names one.
pub fn run(arguments: &[String]) -> Option<ExitCode> {
    let (command, rest) = arguments.split_first()?;
    let outcome = match command.as_str() {
        "keygen" => keygen(rest),
        "sign" => sign(rest),
        "verify" => verify(rest),
        _ => return None,
    };
    Some(match outcome {
        Ok(text) => print(&text),
        Err(problem) => {
            let _ = writeln!(std::io::stderr(), "bllvm-governance: {problem}");
            ExitCode::from(USAGE)
        }
    })
}

fn print(text: &str) -> ExitCode {
    match writeln!(std::io::stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Makes a key in a new file that only its owner can read, and prints the public key.
fn keygen(arguments: &[String]) -> Result<String, String> {
    let [file] = arguments else {
        return Err("keygen: name the file that the key goes into".to_owned());
    };
    let secret = SecretKey::new(&mut rand::thread_rng());
    let mut options = std::fs::OpenOptions::new();
    let mut written = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .map_err(|error| format!("keygen: {file}: {error}"))?;
    let text = format!("{}\n", secret.display_secret());
    let outcome = written.write_all(text.as_bytes());
    outcome
        .and_then(|()| written.sync_all())
        .map_err(|error| format!("keygen: {file}: {error}"))?;
    Ok(pair(secret).x_only_public_key().0.to_string())
}

/// Prints the comment that says something, with its signature.
fn sign(arguments: &[String]) -> Result<String, String> {
    let given = options(arguments)?;
    let option = |name: &str| {
        let missing = || format!("sign: `--{name}` is missing\nusage: {SIGN}");
        given.get(name).map(String::as_str).ok_or_else(missing)
    };
    let unfit = |name: &str, what: &str| format!("sign: `--{name}`: {what}");
    let number = |name: &str| {
        let number = option(name)?.parse::<u64>();
        number.map_err(|_| unfit(name, "it is not a number"))
    };
    let height = |name: &str| {
        u32::try_from(number(name)?).map_err(|_| unfit(name, "it is not a block height"))
    };
    let default_rules = Preset::default().rules().name;
    let reason = given.get("reason").cloned().unwrap_or_default();
    let action = option("action")?;
    let statement = Statement {
        chain: chain(option("chain")?)?,
        rules: given.get("rules").cloned().unwrap_or(default_rules),
        repository: option("repository")?.to_lowercase(),
        number: number("number")?,
        head: option("head")?.to_lowercase(),
        action: Action::of_word(action)
            .ok_or_else(|| unfit("action", "sign, veto, support or abstain"))?,
        nonce: number("nonce")?,
        from: height("from")?,
        to: height("to")?,
        reason: reason_hash(&reason),
    };
    let pair = pair(read_key(Path::new(option("key-file")?))?);
    let message = Message::from_digest(statement.digest());
    let signature =
        Secp256k1::new().sign_schnorr_with_rng(&message, &pair, &mut rand::thread_rng());
    let mut comment = format!(
        "/governance-{} key={} head={} nonce={} from={} to={} sig={signature}",
        statement.action,
        pair.x_only_public_key().0,
        statement.head,
        statement.nonce,
        statement.from,
        statement.to,
    );
    if !reason.is_empty() {
        // Writing to a string cannot fail.
        let _ = write!(comment, " \"{reason}\"");
    }
    let _ = writeln!(std::io::stderr(), "{}", statement.text());
    Ok(comment)
}

/// Counts a transcript again. No server is asked.
fn verify(arguments: &[String]) -> Result<String, String> {
    let (file, own_rules) = match arguments {
        [file] => (file, None),
        [file, rules] => (file, Some(rules)),
        _ => {
            let text = "verify: name the file with the transcript, and after it the file with the \
                        rules where they are an operator's own";
            return Err(text.to_owned());
        }
    };
    let at = |error: &dyn std::fmt::Display| format!("verify: {file}: {error}");
    let text = std::fs::read(file).map_err(|error| at(&error))?;
    let transcript: Transcript = serde_json::from_slice(&text).map_err(|error| at(&error))?;
    transcript.verify().map_err(|error| at(&error))?;
    let rules = rules_of(&transcript, own_rules)?;
    if let Some(rules) = &rules {
        transcript.verify_rules(rules).map_err(|error| at(&error))?;
    }
    let judged_by = match rules {
        Some(rules) => format!("by percents and hours of the rules {}", rules.name),
        None => format!(
            "by percents that are the transcript's own word: the rules {} are not known here, name \
             their file as a second argument (SHA-256 {})",
            transcript.rules, transcript.rules_sha256
        ),
    };
    let Transcript {
        tally,
        height,
        block,
        ..
    } = &transcript;
    let side = |name: &str, unit: &str, side: &Side| {
        let (met, percent) = (if side.met { "met" } else { "not met" }, side.percent);
        format!(
            "{name}: veto {} of {} {unit}, {percent} % is asked: {met}",
            side.veto, side.total
        )
    };
    let word = if tally.vetoed { "vetoed" } else { "not vetoed" };
    let open = if transcript.closed {
        ""
    } else {
        ", and still open"
    };
    Ok(format!(
        "{}\n{}\n{} nodes with economic weight, quorum {}\n{}#{} at {}: {word}{open}\n\
         {judged_by}\n\
         the weights are those of block {height} {block}: ask a chain whether they are true\n\
         SHA-256 of the transcript: {}, as `governance.veto_closed` told it if nothing was altered",
        side("mining", "blocks", &tally.mining),
        side("economic", "satoshi", &tally.economic),
        tally.nodes,
        if tally.quorum {
            "reached"
        } else {
            "not reached"
        },
        transcript.repository,
        transcript.number,
        transcript.head,
        transcript.digest(),
    ))
}

/// The rules that a transcript names: from a file, or among those that come along.
fn rules_of(transcript: &Transcript, file: Option<&String>) -> Result<Option<Rules>, String> {
    let Some(file) = file else {
        let mut known = Preset::ALL.into_iter().map(Preset::rules);
        return Ok(known.find(|rules| rules.name == transcript.rules));
    };
    let at = |error: &dyn std::fmt::Display| format!("verify: {file}: {error}");
    let text = std::fs::read_to_string(file).map_err(|error| at(&error))?;
    Rules::read(&text).map(Some).map_err(|error| at(&error))
}

fn options(arguments: &[String]) -> Result<BTreeMap<String, String>, String> {
    const KNOWN: [&str; 11] = [
        "key-file",
        "chain",
        "repository",
        "number",
        "head",
        "action",
        "nonce",
        "from",
        "to",
        "rules",
        "reason",
    ];
    let mut given = BTreeMap::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let name = argument
            .strip_prefix("--")
            .filter(|name| KNOWN.contains(name));
        let name = name.ok_or_else(|| format!("sign: `{argument}` is not known\nusage: {SIGN}"))?;
        let value = arguments.next();
        let value = value.ok_or_else(|| format!("sign: `--{name}` needs a value"))?;
        given.insert(name.to_owned(), value.clone());
    }
    Ok(given)
}

/// A chain by its name, or by its first block.
fn chain(text: &str) -> Result<String, String> {
    let network = match text {
        "main" | "mainnet" | "bitcoin" => Network::Bitcoin,
        "test" | "testnet3" => Network::Testnet,
        "testnet4" => Network::Testnet4,
        "signet" => Network::Signet,
        "regtest" => Network::Regtest,
        hash if hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            return Ok(hash.to_lowercase());
        }
        _ => {
            let known = "main, test, testnet4, signet, regtest, or the hash of the first block";
            return Err(format!("sign: `--chain`: {known}"));
        }
    };
    Ok(genesis_block(network).block_hash().to_string())
}

fn read_key(file: &Path) -> Result<SecretKey, String> {
    let at = |error: &dyn std::fmt::Display| format!("sign: {}: {error}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| at(&error))?;
    text.trim().parse().map_err(|error| at(&error))
}

fn pair(secret: SecretKey) -> Keypair {
    Keypair::from_secret_key(&Secp256k1::new(), &secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        let refusal = |words: &[&str]| sign(&strings(words)).unwrap_err();
        assert!(refusal(&["--chain"]).contains("needs a value"));
        assert!(refusal(&["--frob", "1"]).contains("`--frob` is not known"));
        assert!(refusal(&["--action", "sign"]).contains("`--chain` is missing"));
        let chain = refusal(&["--action", "sign", "--chain", "dogecoin"]);
        assert!(chain.contains("regtest"), "{chain}");
        assert!(keygen(&[]).unwrap_err().contains("name the file"));
        assert!(run(&strings(&["--manifest"])).is_none());
    }

    #[test]
    fn chains_have_names() {
        let regtest = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206";
        assert_eq!(chain("regtest").unwrap(), regtest);
        assert_eq!(chain(&regtest.to_uppercase()).unwrap(), regtest);
    }
}
