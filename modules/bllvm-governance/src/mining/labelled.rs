//! Coinbases of the main chain with who mined them: real bytes, with merge mining and extra nonces
//! beside the tags, against the list that comes along.
//!
//! The bytes are the chain's. The labels of 966,077 to 966,088, twelve blocks in a row, are those that an
//! explorer with another list gave them; those of the others were read from the text by a person.

use bllvm_sdk::types::BlockHash;

use super::coinbase::Mined;
use super::pools::{BUILT_IN, Pools, Strength};

/// Height, who mined it if one that the list knows, and what the coinbase says.
const LABELLED: [(u32, &str, &str); 31] = [
    (
        966_088,
        "F2Pool",
        "03c8bd0e2cfabe6d6d1b59c5fdc32436bf55d870ff242b5751b79753b9473fa1b10989cf231b526ecf10000000f09f909f092f4632506f6f6c2f650000000000000000000000000000000000000000000000000000000000000000000000050018e6f175",
    ),
    (
        966_087,
        "NiceHash",
        "03c7bd0e9c68db2cab10152b870000052f4e696365486173684d696e696e672f",
    ),
    (
        966_086,
        "AntPool",
        "03c6bd0e194d696e656420627920416e74506f6f6c20000023008b4fa021fabe6d6d9f129e0ce05bb0377a39289bc8dc1244c8c8acbf8e8e8284f50f99212aaee80e1000000000000000000030b8f8c9e3f700000000",
    ),
    (
        966_085,
        "Foundry USA",
        "03c5bd0e048e9901172f466f756e6472792055534120506f6f6c202364726f70676f6c642f2a1140d11d2c000000000000",
    ),
    (
        966_084,
        "F2Pool",
        "03c4bd0e2cfabe6d6df7d99ceea687f9a248c2b8cf9cd5cc3c8346348de9fc7c391c71a82826db25ba10000000f09f909f0c2f6632706f6f6c2e6b7a2f63000000000000000000000000000000000000000000000000000000000000000005004fa30200",
    ),
    (
        966_083,
        "ViaBTC",
        "03c3bd0e082f5669614254432f2cfabe6d6df86564611927c1c28788210d26c90d6b75a1c949011718ac00a55d7e21c67c5e1000000000000000109549ec03b21642f7a93c3016d9b5000000000000",
    ),
    (
        966_082,
        "Foundry USA",
        "03c2bd0e04c6a66e0d2f466f756e6472792055534120506f6f6c202364726f70676f6c642f10182bce0107000000000000",
    ),
    (
        966_081,
        "Foundry USA",
        "03c1bd0e0481bbe50b2f466f756e6472792055534120506f6f6c202364726f70676f6c642f0826a7b32000000000000000",
    ),
    (
        966_080,
        "AntPool",
        "03c0bd0e1b4d696e656420627920416e74506f6f6c393539150021017405f39dfabe6d6db99a73a615ddd22f9f058592027ca5d9e077ff58b8600330c5353f962813d799100000000000000000002fde795b010000000000",
    ),
    (
        966_079,
        "MARA Pool",
        "03bfbd0e04a806a06a7c204d415241204d61646520696e2055534120f09f87baf09f87b8207c76303513fdbad5700000374985ffffffff",
    ),
    (
        966_078,
        "ViaBTC",
        "03bebd0e182f5669614254432f4d696e6564206279206563676274632f2cfabe6d6d5eeda0c9139c29556be2c2558c2613f84d51004f7d3a6729a4ca2a223ed82c92100000000000000010a448bf024f421990aa4555fc651d010000000000",
    ),
    (
        966_077,
        "Binance Pool",
        "03bdbd0e1062696e616e63652f7d00ac0368c0b33bfabe6d6d9cb7757ef23f9e3067a3dbf5f5fb1c52c34e6efb95f19c887ede7e43cbccdf5d100000000000000000003718e209000000000000",
    ),
    (
        957_350,
        "OCEAN",
        "03a69b0e1c3c204f4345414e2e58595a203e0f53696d706c65204d696e696e6700071392104a2e9652",
    ),
    (
        956_348,
        "Luxor",
        "03bc970e1d506f7765726564206279204c75786f7220546563682d008506850ddb47fabe6d6d71df935f6146cac287c2c05ccb1ce9646525933efbdf0af1c0ff29d7bb38609410000000000000000000362600c7000000000002",
    ),
    (
        951_929,
        "OCEAN",
        "0379860e193c204f4345414e2e58595a203e0f526f7567686e65636b73000000",
    ),
    (
        950_085,
        "SpiderPool",
        "03457f0e04e2620c6a537069646572506f6f6c2f3536392f",
    ),
    (
        883_230,
        "SBI Crypto",
        "031e7a0d041379aa672f53424943727970746f2e636f6d20506f6f6c2f0e8f08296459410349b85901",
    ),
    (
        856_604,
        "Foundry USA",
        "031c120d048867bb662f466f756e6472792055534120506f6f6c202364726f70676f6c642f4892b78e0000b3b25d010000",
    ),
    (
        840_000,
        "ViaBTC",
        "0340d10c192f5669614254432f4d696e65642062792062757a7a3132302f2cfabe6d6d144b553283a6e1a150c9989428c0695e3a1bef7d482ed1f829bbe25897fd37dc10000000000000001058a4c9000cc3a31889b38ae08249000000000000",
    ),
    (
        810_613,
        "Foundry USA",
        "03755e0c0416641d652f466f756e6472792055534120506f6f6c202364726f70676f6c642f0d01c0361f01000000000000",
    ),
    (
        680_000,
        "Poolin",
        "0340600a0463f77f602f706f6f6c696e2e636f6d2ffabe6d6d4e4176dc3ab61820d9dde06fde2d60832bbfd022a3c3dd2fe59d88f95a0b08fa0100000000000000c5398f003bff87935185713123d0946c12904517cd0069396a0000000000",
    ),
    (
        675_759,
        "Poolin",
        "03af4f0a04e57358602f706f6f6c696e2e636f6d2f746170726f6f742f626970392f13fb04220b267f7579ba48567a5fbc431168a40df5001ed6010000000000",
    ),
    (
        631_076,
        "Braiins Pool",
        "0324a109fabe6d6d565bf669fbb3f2c3176649a805295685fbb0f317830d3eb7a94ab32438815a3001000000000000002865060003c9f66f712b004a9e9791052f736c7573682f",
    ),
    (
        625_890,
        "SpiderPool",
        "03e28c0904b8ff695e322f537069646572506f6f6c2ffabe6d6dda153ebb0e68d606ba543955fc4aece1fa6ebf31c8dec55114914bb4cfc20a2401000000000000000100076acb69000000000000",
    ),
    (
        538_403,
        "AntPool",
        "03233708184d696e656420627920416e74506f6f6c373946205b8160a4256c0000946e0100",
    ),
    (
        500_000,
        "BTC.com",
        "0320a107046f0a385a632f4254432e434f4d2ffabe6d6dbdd0ee86f9a1badfd0aa1b3c9dac8d90840cf973f7b2590d6c9adde1a6e0974a010000000000000001283da9a172020000000000",
    ),
    (
        460_373,
        "BTC.com",
        "0355060704eba7e3582f4254432e434f4d2fb6000ddbcbe5000000000000",
    ),
    (
        227_836,
        "Braiins Pool",
        "03fc7903062f503253482f04ac204f510858029a11000003550d3363646164312f736c7573682f",
    ),
    // Pools that the list does not know stay unknown.
    (
        600_000,
        "",
        "03c027090004ff52aa5d042b05083008a6e7b35c6e202a00092f426974667572792f",
    ),
    (
        433_017,
        "",
        "03799b0600048846f55704f8138d1d0c970f885860bc0100000000000a636b706f6f6c0d2f4b616e6f202f4245424f502f",
    ),
    // Before heights were written down: the first block, with its headline.
    (
        0,
        "",
        "04ffff001d0104455468652054696d65732030332f4a616e2f32303039204368616e63656c6c6f72206f6e206272696e6b206f66207365636f6e64206261696c6f757420666f722062616e6b73",
    ),
];

#[test]
fn labelled_blocks_of_the_main_chain_are_attributed_as_labelled() {
    let pools = Pools::read(BUILT_IN).unwrap();
    let (mut right, mut known) = (0, 0);
    for (height, label, text) in LABELLED {
        let text = hex::decode(text).unwrap();
        // BIP34: it begins with its own height.
        let told = u32::from_le_bytes([text[1], text[2], text[3], 0]);
        assert!(height == 0 || (text[0], told) == (3, height), "{height}");
        let mined = Mined {
            hash: BlockHash([1; 32]),
            previous: BlockHash([0; 32]),
            text,
            total_sat: 1,
            payouts: Vec::new(),
        };
        let found = pools.attribute(&mined);
        let name = found
            .and_then(|(id, _)| pools.get(id))
            .map(|pool| pool.name.as_str());
        assert!(
            name.is_none() || name == Some(label),
            "{height} is {label}, not {name:?}"
        );
        assert!(found.is_none_or(|(_, strength)| strength == Strength::Tag));
        known += usize::from(!label.is_empty());
        right += usize::from(name == Some(label));
    }
    println!("{right} of {known} labelled blocks are attributed, none wrongly");
    assert!(right * 100 >= known * 95, "{right} of {known}");
}
