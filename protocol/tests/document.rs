//! `PROTOCOL.md` says what is: its examples decode, and its tables name every variant.

mod samples;

use std::{collections::BTreeMap, fs};

use data_encoding::HEXLOWER_PERMISSIVE;
use protocol::{
    FromGameClient, SUBPROTOCOL_GAME_CLIENT, SUBPROTOCOL_GAME_CLIENT_JSON, decode, decode_json,
    encode_json,
};
use samples::{Sample, Visitor, visit_local, visit_public};
use serde_json::Value;

#[test]
fn every_example_is_a_golden_line_and_decodes() {
    let mut examples = Examples(fenced("hex "));
    assert!(!examples.0.is_empty());
    visit_public(&mut examples);
    for (name, _) in &examples.0 {
        // The echo over UDP is none of our messages, and is checked where it is implemented.
        let is_no_message = name.starts_with("chunks ") || name.starts_with("ping ");
        assert!(is_no_message, "{name}: no such type");
    }
}

#[test]
fn every_example_of_chunks_is_a_golden_line() {
    let golden: BTreeMap<_, _> =
        include_str!("golden/chunks.txt").lines().filter_map(|line| line.split_once(' ')).collect();
    let examples = fenced("hex chunks ");
    assert!(examples.len() > 1);
    for (name, body) in examples {
        assert_eq!(HEXLOWER_PERMISSIVE.encode(&bytes(&body)), golden[&*name], "{name}");
    }
}

#[test]
fn every_variant_stands_in_a_table_with_its_tag_and_fields() {
    visit_public(&mut Tables(document()));
}

#[test]
fn what_stays_on_one_machine_is_nobody_elses_business() {
    visit_local(&mut Absent(document()));
}

#[test]
fn every_number_has_the_bytes_that_stand_beside_it() {
    let document = document();
    let (_, table) = document.split_once("| number | bytes |").expect("a table of numbers");
    let rows: Vec<_> = table.lines().skip(2).take_while(|line| !line.is_empty()).collect();
    assert!(rows.len() > 4);
    for row in rows {
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let number: u64 = cells[1].replace(',', "").parse().unwrap();
        assert_eq!(samples::encoded(&number), bytes(cells[2]), "{row}");
    }
}

#[test]
fn every_json_example_is_a_golden_line() {
    let golden = include_str!("golden/json.txt");
    let examples = fenced("json");
    assert!(!examples.is_empty());
    for (_, example) in examples {
        assert!(golden.contains(example.trim()), "{example}");
    }
}

#[test]
fn the_subprotocols_are_what_it_says() {
    let document = document();
    for (name, of) in [(SUBPROTOCOL_GAME_CLIENT, "binary"), (SUBPROTOCOL_GAME_CLIENT_JSON, "text")]
    {
        let row = document.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
        assert!(row.is_some_and(|row| row.ends_with(&format!("| {of} |"))), "{name}: {row:?}");
        // What browsers take for the name of a subprotocol.
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte)));
    }
}

#[test]
fn json_is_read_as_it_is_written() {
    for (name, json) in include_str!("golden/json.txt").lines().filter_map(|l| l.split_once(' ')) {
        if name.starts_with("FromGameClient.") {
            let message = decode_json::<FromGameClient>(json.as_bytes()).unwrap();
            let mut written = Vec::new();
            encode_json(&message, &mut written);
            assert_eq!(String::from_utf8(written).unwrap(), json);
        }
    }
}

#[test]
fn every_link_leads_somewhere() {
    let document = document();
    let anchors: Vec<_> = document
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| anchor(line.trim_start_matches('#').trim()))
        .collect();
    let links: Vec<_> = document.split("](#").skip(1).filter_map(|l| l.split(')').next()).collect();
    assert!(!links.is_empty());
    for link in links {
        assert!(anchors.iter().any(|anchor| anchor == link), "{link} is none of {anchors:#?}");
    }
}

/// Those that are left have not been looked at.
struct Examples(Vec<(String, String)>);

impl Visitor for Examples {
    fn visit<S: Sample>(&mut self) {
        self.0.retain(|(example, body)| {
            let Some((_, name)) = example.split_once(' ').filter(|(of, _)| *of == S::NAME) else {
                return true;
            };
            let sample = S::samples().into_iter().find(|(sample, _)| sample == name);
            let (_, sample) = sample.unwrap_or_else(|| panic!("no golden line {example}"));
            let message = decode::<S>(&bytes(body));
            assert_eq!(message.ok().as_ref(), Some(&sample), "{example}");
            assert_eq!(bytes(body), samples::encoded(&sample), "{example}");
            false
        });
    }
}

struct Tables(String);

impl Visitor for Tables {
    fn visit<S: Sample>(&mut self) {
        let heading = format!(": `{}`\n", S::NAME);
        let (_, section) = self.0.split_once(&heading).unwrap_or_else(|| panic!("no{heading}"));
        let section = section.split("\n#").next().unwrap_or_default();
        let rows: Vec<_> = section.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
        assert_eq!(rows.len(), S::VARIANTS.len(), "rows of {}", S::NAME);
        for (tag, (row, variant)) in rows.iter().zip(S::VARIANTS).enumerate() {
            assert!(row.starts_with(&format!("| {tag} | `{variant}` |")), "{}: {row}", S::NAME);
        }
        for (name, sample) in S::samples() {
            let at = S::VARIANTS.iter().position(|variant| *variant == sample.variant());
            let fields = rows[at.unwrap()].split('|').nth(3).unwrap();
            for field in fields_of(&serde_json::to_value(&sample).unwrap()) {
                assert!(fields.contains(&format!("`{field}`")), "{}.{name}: {field}", S::NAME);
            }
        }
    }
}

struct Absent(String);

impl Visitor for Absent {
    fn visit<S: Sample>(&mut self) {
        assert!(!self.0.contains(&format!("`{}`", S::NAME)), "{} is described", S::NAME);
    }
}

/// The fields of a variant, of which the JSON is `{"Variant": {"field": …}}`. A variant that only
/// holds another one has none of its own.
fn fields_of(json: &Value) -> Vec<&str> {
    let fields = json.as_object().and_then(|variant| variant.values().next());
    let fields = fields.and_then(Value::as_object).into_iter().flat_map(|fields| fields.keys());
    fields.map(String::as_str).filter(|field| field.starts_with(char::is_lowercase)).collect()
}

/// The code blocks whose info string begins with `kind`: what else it says, and what is in them.
fn fenced(kind: &str) -> Vec<(String, String)> {
    let document = document();
    let blocks = document.split("\n```").skip(1).step_by(2);
    blocks
        .filter_map(|block| block.split_once('\n'))
        .filter_map(|(info, body)| Some((info.strip_prefix(kind)?.to_owned(), body.to_owned())))
        .collect()
}

/// The bytes of an example: in each line what stands before two spaces.
fn bytes(body: &str) -> Vec<u8> {
    let hex = body.lines().filter_map(|line| line.split("  ").next()).collect::<String>();
    HEXLOWER_PERMISSIVE.decode(hex.replace(' ', "").as_bytes()).expect("an example is hexadecimal")
}

/// As GitHub makes them.
fn anchor(heading: &str) -> String {
    let heading = heading.to_lowercase().replace(' ', "-");
    heading.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
}

fn document() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/PROTOCOL.md");
    fs::read_to_string(path).expect("the document lies beside the manifest")
}
