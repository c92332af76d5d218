//! Bounds how much a tokenizer can lengthen a text: its file is hostile, and a few steps that each double a text exhaust
//! any memory.
//!
//! Every step has a growth factor, bytes out per byte in, that no text exceeds; the product over a file is bounded. The
//! factors are upper bounds, not estimates: real files stay below 1000, and those with NFKC's tables come closest.

use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;

/// Largest product of the growth factors; a file beyond it is an accident or an attack.
const MOST_GROWTH: u64 = 1 << 10;
/// Bytes of one token's text; the longest real ones are runs of some hundred spaces.
const LONGEST_TOKEN: usize = 1 << 14;
/// Bytes of one added token.
const LONGEST_ADDED: usize = 1 << 10;
/// Bytes of all added tokens: the automaton that matches them has a state for each byte, of a kilobyte at worst.
const MOST_ADDED: usize = 1 << 20;
/// Special tokens that a post-processor puts around a text; real ones put one or two.
const MOST_AROUND: u64 = 1 << 10;
/// Depth of nested steps.
const MOST_DEPTH: usize = 16;

#[derive(Deserialize)]
struct Steps {
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    post_processor: Value,
    #[serde(default)]
    decoder: Value,
    #[serde(default)]
    added_tokens: Value,
}

/// Refuses a tokenizer.json whose steps could lengthen a text many times, or whose added tokens take too long to compile;
/// `Err` holds the reason.
pub fn check_growth(file: &[u8]) -> Result<(), String> {
    let steps: Steps = serde_json::from_slice(file).map_err(|error| error.to_string())?;
    let encoding = growth(&steps.normalizer, 0)?.saturating_mul(growth(&steps.pre_tokenizer, 0)?);
    check_template(&steps.post_processor, 0)?;
    for (name, growth) in [("normalizer and pre_tokenizer", encoding), ("decoder", growth(&steps.decoder, 0)?)] {
        if growth > MOST_GROWTH {
            return Err(format!(
                "its {name} can make a text {growth} times as long; at most {MOST_GROWTH} is accepted"
            ));
        }
    }
    check_added(&steps.added_tokens)
}

/// Refuses a template that repeats the text, or that adds tokens without end.
fn check_template(step: &Value, depth: usize) -> Result<(), String> {
    if depth > MOST_DEPTH {
        return Err(format!("its steps are nested more than {MOST_DEPTH} deep"));
    }
    let pieces = step["single"].as_array().map_or(&[][..], Vec::as_slice);
    let texts = pieces.iter().filter(|piece| piece.get("Sequence").is_some()).count();
    let ids = |piece: &Value| step["special_tokens"][piece["SpecialToken"]["id"].as_str()?]["ids"].as_array();
    let added: u64 = pieces.iter().filter_map(ids).map(|ids| ids.len() as u64).sum();
    if texts > 1 || added > MOST_AROUND {
        return Err(format!(
            "its post_processor holds a text {texts} times and adds {added} tokens; once and {MOST_AROUND} are accepted"
        ));
    }
    step["processors"].as_array().into_iter().flatten().try_for_each(|inner| check_template(inner, depth + 1))
}

fn check_added(tokens: &Value) -> Result<(), String> {
    let lengths = tokens.as_array().into_iter().flatten().map(|token| length(&token["content"]).unwrap_or(0));
    let (longest, total) = lengths.fold((0, 0), |(longest, total), length| (length.max(longest), total + length));
    if longest > LONGEST_ADDED as u64 || total > MOST_ADDED as u64 {
        return Err(format!(
            "its added tokens have up to {longest} bytes each, {total} in all; at most {LONGEST_ADDED} and {MOST_ADDED} are accepted"
        ));
    }
    Ok(())
}

/// Refuses a vocabulary in which a few ids would decode to a text of any length.
pub fn check_tokens(vocabulary: &HashMap<String, u32>) -> Result<(), String> {
    match vocabulary.iter().find(|(token, _)| token.len() > LONGEST_TOKEN) {
        Some((token, id)) => Err(format!("token {id} has {} bytes; at most {LONGEST_TOKEN} are accepted", token.len())),
        None => Ok(()),
    }
}

fn growth(step: &Value, depth: usize) -> Result<u64, String> {
    if depth > MOST_DEPTH {
        return Err(format!("its steps are nested more than {MOST_DEPTH} deep"));
    }
    let mut factor = step_growth(step)?;
    for list in ["normalizers", "pretokenizers", "decoders"] {
        for inner in step[list].as_array().into_iter().flatten() {
            factor = factor.saturating_mul(growth(inner, depth + 1)?);
        }
    }
    Ok(factor)
}

/// The growth factor of one step without its inner steps. Fields decide as well as the type, which old files omit.
fn step_growth(step: &Value) -> Result<u64, String> {
    let by_type = match step["type"].as_str() {
        // İ is one letter and a dot; a letter with three marks is four characters.
        Some("Lowercase" | "BertNormalizer" | "WordPiece") => 2,
        Some("NFC" | "NFD") => 4,
        // ﷺ is eighteen letters.
        Some("NFKC" | "NFKD") => 18,
        // Bytes beyond ASCII become characters of two bytes; a space may come before each piece.
        Some("ByteLevel") => 4,
        _ => 1,
    };
    let replaced = match (&step["pattern"], length(&step["content"])) {
        (_, None) => 1,
        (Value::Object(pattern), Some(content)) => match pattern.get("String").and_then(length) {
            Some(pattern) if pattern > 0 => content.div_ceil(pattern).max(1),
            // A regular expression may match at every byte.
            _ => content + 1,
        },
        (_, Some(content)) => content + 1,
    };
    let space = length(&step["replacement"]).unwrap_or(1).max(1);
    let before_each_piece = 1 + length(&step["prepend"]).unwrap_or(0);
    let table = step["precompiled_charsmap"].as_str().map_or(Ok(1), longest_entry)?;
    let factors = [by_type, replaced, 2 * space - 1, before_each_piece, table];
    Ok(factors.into_iter().fold(1, u64::saturating_mul))
}

fn length(value: &Value) -> Option<u64> {
    value.as_str().map(|text| text.len() as u64)
}

/// The longest replacement in SentencePiece's table: the length of a trie, the trie, then zero-terminated texts. The
/// library allocates the length that the table states, so a length beyond the table is refused.
fn longest_entry(base64: &str) -> Result<u64, String> {
    let table = decoded(base64);
    let (head, rest) = table.split_at_checked(4).ok_or("its precompiled_charsmap has no length")?;
    let trie = head.iter().rev().fold(0usize, |length, &byte| length << 8 | usize::from(byte));
    let texts = rest.get(trie..).ok_or("its precompiled_charsmap ends within its trie")?;
    let longest = texts.split(|&byte| byte == 0).map(<[u8]>::len).max().unwrap_or(0);
    Ok((longest as u64).max(1))
}

/// Decodes base64; other characters are skipped here and refused by the library.
fn decoded(base64: &str) -> Vec<u8> {
    let digits = base64.bytes().filter_map(|character| match character {
        b'A'..=b'Z' => Some(character - b'A'),
        b'a'..=b'z' => Some(character - b'a' + 26),
        b'0'..=b'9' => Some(character - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    });
    let digits: Vec<u8> = digits.collect();
    let group = |four: &[u8]| {
        let bits = four.iter().fold(0u32, |bits, &digit| bits << 6 | u32::from(digit)) << (6 * (4 - four.len()));
        bits.to_be_bytes()[1..four.len().max(1)].to_vec()
    };
    digits.chunks(4).flat_map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(key: &str, step: Value) -> Result<(), String> {
        check_growth(json!({ key: step, "model": {} }).to_string().as_bytes())
    }

    fn sequence(list: &str, steps: Vec<Value>) -> Value {
        json!({ "type": "Sequence", list: steps })
    }

    #[test]
    fn real_tokenizers_are_accepted() {
        let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/golden/tokenizers");
        let folders: Vec<_> = std::fs::read_dir(golden).expect("the fixtures").flatten().collect();
        let files = folders.iter().filter_map(|folder| std::fs::read(folder.path().join("tokenizer.json")).ok());
        assert_eq!(files.map(|file| check_growth(&file)).filter(Result::is_ok).count(), 7);
        let space = json!({ "type": "Replace", "pattern": { "Regex": " {2,}" }, "content": "▁" });
        let t5 = [json!({ "type": "Precompiled", "precompiled_charsmap": charsmap(4, 33) }), space];
        assert_eq!(check("normalizer", sequence("normalizers", t5.to_vec())), Ok(()));
    }

    /// A table that states `trie` bytes of trie, has four, and holds one text.
    fn charsmap(trie: u32, text: usize) -> String {
        let bytes: Vec<u8> = [trie.to_le_bytes().to_vec(), vec![0; 4], vec![b'a'; text], vec![0]].concat();
        let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let group = |three: &[u8]| {
            let bits = three.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - three.len()));
            let digit = |at: usize| char::from(digits[(bits >> (18 - 6 * at)) as usize & 63]);
            (0..=three.len()).map(digit).collect::<String>() + &"=".repeat(3 - three.len())
        };
        bytes.chunks(3).map(group).collect()
    }

    #[test]
    fn steps_that_multiply_a_text_are_refused() {
        let double = json!({ "type": "Replace", "pattern": { "String": "a" }, "content": "aa" });
        let untyped = json!({ "pattern": { "Regex": "" }, "content": "a" });
        let bytes = json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false });
        let long = json!({ "type": "Replace", "pattern": { "String": "a" }, "content": "a".repeat(5000) });
        let prepend = json!({ "type": "Prepend", "prepend": "a".repeat(5000) });
        for (key, step) in [
            ("normalizer", sequence("normalizers", vec![double.clone(); 40])),
            ("normalizer", sequence("normalizers", vec![untyped; 40])),
            ("pre_tokenizer", sequence("pretokenizers", vec![bytes; 40])),
            ("decoder", sequence("decoders", vec![double; 40])),
            ("normalizer", long),
            ("normalizer", prepend),
            ("normalizer", json!({ "type": "Precompiled", "precompiled_charsmap": charsmap(4, 5000) })),
        ] {
            assert!(check(key, step.clone()).is_err_and(|reason| reason.contains("times as long")), "{step}");
        }
    }

    #[test]
    fn templates_that_repeat_a_text_or_add_many_tokens_are_refused() {
        let text = json!({ "Sequence": { "id": "A", "type_id": 0 } });
        let token = json!({ "SpecialToken": { "id": "s", "type_id": 0 } });
        let template = |pieces: Vec<&Value>, ids: usize| {
            let special = json!({ "s": { "id": "s", "ids": vec![0; ids], "tokens": vec!["s"; ids] } });
            json!({ "type": "TemplateProcessing", "single": pieces, "pair": [], "special_tokens": special })
        };
        let check = |step: &Value| check("post_processor", sequence("processors", vec![step.clone()]));
        assert_eq!(check(&template(vec![&token, &text, &token], 1)), Ok(()));
        assert!(check(&template(vec![&text, &text], 1)).is_err_and(|reason| reason.contains("2 times")));
        assert!(check(&template(vec![&token, &text], 1025)).is_err_and(|reason| reason.contains("adds 1025 tokens")));
    }

    #[test]
    fn a_table_shorter_than_its_stated_length_is_refused() {
        let step = json!({ "type": "Precompiled", "precompiled_charsmap": charsmap(u32::MAX, 3) });
        assert!(check("normalizer", step).is_err_and(|reason| reason.contains("ends within its trie")));
    }

    #[test]
    fn base64_of_every_length_is_decoded() {
        assert_eq!(
            ["", "YQ==", "YWI=", "YWJj", "YWJj/+8="].map(decoded),
            [&b""[..], b"a", b"ab", b"abc", b"abc\xff\xef"]
        );
    }

    #[test]
    fn added_tokens_of_megabytes_are_refused() {
        let added = |length: usize, count: usize| {
            let token = json!({ "id": 0, "content": "a".repeat(length) });
            check("added_tokens", json!(vec![token; count]))
        };
        assert_eq!(added(LONGEST_ADDED, 10), Ok(()));
        assert_eq!(added(30, 10_000), Ok(()));
        assert!(added(LONGEST_ADDED + 1, 1).is_err());
        assert!(added(LONGEST_ADDED, 1025).is_err());
    }

    #[test]
    fn tokens_of_megabytes_are_refused() {
        let vocabulary = |length: usize| HashMap::from([("a".repeat(length), 0)]);
        assert!(check_tokens(&vocabulary(LONGEST_TOKEN)).is_ok());
        assert!(check_tokens(&vocabulary(LONGEST_TOKEN + 1)).is_err());
    }
}
