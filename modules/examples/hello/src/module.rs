//! What the module does: counts the blocks that join the chain, and shows the number.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bllvm_sdk::{Context, Event, Methods, Module, NoParams, Result};
use schemars::JsonSchema;
use serde::Serialize;

use crate::config::Config;

/// Counts blocks.
pub struct Hello {
    context: Context,
    config: Config,
    blocks: AtomicU64,
}

/// The answer of `count`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Count {
    /// Blocks seen since it started.
    pub blocks: u64,
    /// The height of the tip.
    pub height: u32,
}

impl Module for Hello {
    type Config = Config;
    const EVENTS: &'static [&'static str] = &["chain.block_connected"];

    fn methods() -> Methods<Self> {
        Methods::new().method("count", "How many blocks it has seen.", Self::count)
    }

    async fn prepare(context: Context, config: Config) -> Result<Self> {
        Ok(Self {
            context,
            config,
            blocks: AtomicU64::new(0),
        })
    }

    /// An event counts as handled when this returns; one that fails comes again.
    async fn event(&self, event: &Event) -> Result<()> {
        let blocks = self.blocks.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::info!("block {} joined the chain", event.data["height"]);
        let status = [
            ("greeting", "Says", self.config.greeting.clone()),
            ("blocks", "Blocks", blocks.to_string()),
        ];
        self.context.ui().status(&status).await?;
        Ok(())
    }
}

impl Hello {
    /// Called by people, programs and other modules.
    async fn count(self: Arc<Self>, _: NoParams) -> Result<Count> {
        let tip = self.context.node().tip().await?;
        Ok(Count {
            blocks: self.blocks.load(Ordering::Relaxed),
            height: tip.height,
        })
    }
}

#[cfg(test)]
mod tests {
    use bllvm_sdk::ipc::method::ChainTip;
    use bllvm_sdk::ipc::types::{Sample, Tip};
    use bllvm_sdk::testing::TestHost;
    use serde_json::json;

    use super::Hello;

    /// A host that grants what `module.toml` asks for, and nothing else.
    fn host() -> TestHost {
        TestHost::for_manifest(include_str!("../module.toml"))
            .expect("module.toml is valid")
            .answer::<ChainTip>(|_| Ok(Tip::sample()))
    }

    #[tokio::test]
    async fn it_counts_the_blocks_that_it_sees() {
        let module = host().start::<Hello>().await.expect("it starts");

        module.event("chain.block_connected", json!({ "height": 1 }));
        let last = module.event("chain.block_connected", json!({ "height": 2 }));
        module.acknowledged(last).await;

        let count = module.call("count", json!({})).await.expect("it answers");
        assert_eq!(count["blocks"], 2);
        assert_eq!(module.seen().status[1].value, "2");
        module.stop().await.expect("it stops");
    }
}
