//! The catalogues belong together, and every text that is shown stands in them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fluent_syntax::ast::{Entry, Expression, InlineExpression, Pattern, PatternElement};
use fluent_syntax::parser;

use super::*;

/// Each key of a file with the values that its text takes.
fn keys(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let resource = parser::parse(text).unwrap_or_else(|(_, errors)| panic!("{errors:?}"));
    let mut found = BTreeMap::new();
    for entry in resource.body {
        let Entry::Message(message) = entry else { panic!("only messages and blank lines: {entry:?}") };
        let mut values = BTreeSet::new();
        collect(message.value.as_ref().expect("a message has a text"), &mut values);
        let key = message.id.name.to_owned();
        assert!(found.insert(key.clone(), values).is_none(), "{key} stands twice");
    }
    found
}

fn collect(pattern: &Pattern<&str>, values: &mut BTreeSet<String>) {
    for element in &pattern.elements {
        match element {
            PatternElement::TextElement { .. } => {}
            PatternElement::Placeable { expression: Expression::Inline(inline) } => name(inline, values),
            PatternElement::Placeable { expression: Expression::Select { selector, variants } } => {
                name(selector, values);
                for variant in variants {
                    collect(&variant.value, values);
                }
            }
        }
    }
}

fn name(inline: &InlineExpression<&str>, values: &mut BTreeSet<String>) {
    match inline {
        InlineExpression::VariableReference { id } => {
            values.insert(id.name.to_owned());
        }
        InlineExpression::StringLiteral { .. } => {}
        other => panic!("a text refers to nothing but its values: {other:?}"),
    }
}

#[test]
fn the_three_catalogues_have_the_same_keys_with_the_same_values() {
    let mut all = BTreeSet::new();
    for (file, [nb, nn, en]) in FILES {
        let nb = keys(nb);
        for key in nb.keys() {
            assert!(key.starts_with(&format!("{file}-")), "{key} stands in {file}.ftl");
            assert!(all.insert(key.clone()), "{key} stands twice");
        }
        for (other, language) in [(keys(nn), "nn"), (keys(en), "en")] {
            assert_eq!(
                nb.keys().collect::<Vec<_>>(),
                other.keys().collect::<Vec<_>>(),
                "{language}/{file}.ftl"
            );
            for (key, values) in &nb {
                assert_eq!(values, &other[key], "the values of {key} in {language}");
            }
        }
    }
}

#[test]
fn every_file_of_the_catalogue_is_read() {
    for language in ["nb", "nn", "en"] {
        let folder = root().join("tekster").join(language);
        let files: BTreeSet<_> = files_below(&folder, "ftl")
            .iter()
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        let read: BTreeSet<_> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(files, read, "{language}");
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path, extension));
        } else if path.extension().is_some_and(|known| known == extension) {
            found.push(path);
        }
    }
    found
}

/// String literals in `text` that look like keys: `felles-neste`.
fn literals(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).step_by(2).filter(|literal| {
        let known = FILES.iter().any(|(file, _)| {
            literal.strip_prefix(file).is_some_and(|rest| rest.starts_with('-') && rest.len() > 1)
        });
        known
            && literal.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    })
}

/// The calls that look a text up, before the key.
const CALLS: [&str; 4] = [".s(\"", ".v(\"", ".v2(\"", ".with(\""];

#[test]
fn every_key_that_is_looked_up_is_there() {
    let t = Tekster(Sprak::Nb);
    let mut looked_up = 0;
    for path in
        files_below(&root().join("templates"), "html").iter().chain(&files_below(&root().join("src"), "rs"))
    {
        let text = std::fs::read_to_string(path).unwrap();
        for call in CALLS {
            for rest in text.split(call).skip(1) {
                let key = rest.split('"').next().unwrap();
                if literals(&format!("\"{key}\"")).next().is_none() {
                    continue;
                }
                looked_up += 1;
                assert!(t.has(key), "{key} is looked up in {}", path.display());
            }
        }
    }
    assert!(looked_up > 50, "the search finds nothing: {looked_up}");
}

#[test]
fn templates_hold_no_text_of_their_own() {
    for path in files_below(&root().join("templates"), "html") {
        if path.to_str().unwrap().contains("gallery") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let words = visible(&text);
        assert!(words.is_empty(), "{} says {words:?}; texts stand in tekster/", path.display());
    }
}

/// Words between the tags of a template, and in attributes that are read out.
fn visible(template: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut rest = template;
    // Comments, statements and expressions go; a blank stays, so that what is around them is not one word.
    while let Some(start) = rest.find("{%").into_iter().chain(rest.find("{{")).chain(rest.find("{#")).min() {
        plain.push_str(&rest[..start]);
        let end = match &rest[start..start + 2] {
            "{%" => "%}",
            "{{" => "}}",
            _ => "#}",
        };
        let stop = rest[start..].find(end).map_or(rest.len(), |at| start + at + 2);
        plain.push(' ');
        rest = &rest[stop..];
    }
    plain.push_str(rest);
    let mut words = Vec::new();
    for attribute in ["aria-label=\"", "title=\"", "alt=\"", "placeholder=\""] {
        for rest in plain.split(attribute).skip(1) {
            words.extend(letters(rest.split('"').next().unwrap()));
        }
    }
    for piece in plain.split('<').skip(1) {
        if let Some((tag, text)) = piece.split_once('>')
            && !tag.starts_with("style")
            && !tag.starts_with("!--")
        {
            words.extend(letters(text));
        }
    }
    words
}

fn letters(text: &str) -> Option<String> {
    // A macro may hold attributes without their tag.
    let text = text.split_whitespace().filter(|word| !word.contains("=\"")).collect::<Vec<_>>().join(" ");
    text.chars().filter(|character| character.is_alphabetic()).nth(1).map(|_| text.clone())
}

#[test]
fn words_in_a_template_are_found() {
    assert_eq!(visible("<p>{{ t.s(\"x\") }}</p><a title=\"{{ x }}\"> · </a>"), Vec::<String>::new());
    assert_eq!(visible("<p>Hei {{ navn }}</p>"), ["Hei"]);
    assert_eq!(visible("<img alt=\"Bilde\">"), ["Bilde"]);
}

#[test]
fn plurals_and_numbers_follow_the_language() {
    let nb = Tekster(Sprak::Nb);
    assert_eq!(nb.v("felles-rett-feil", "n", 1_u32), "Du må rette 1 feil for å gå videre");
    assert_eq!(nb.v("felles-timer", "n", 1_204_u32), "1\u{a0}204 timer");
    assert_eq!(Tekster(Sprak::En).v("felles-timer", "n", 1_u32), "1 hour");
    assert_eq!(nb.s("felles-er-kopiert"), "{felt} er kopiert");
}
