//! What the documents name is there: tests, files, variables, events.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use relatch_lambda::Config;
use relatch_lambda::telemetry::Event;

fn repository_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All files of the repository's folders with one of these endings.
fn find_files(endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![repository_root()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir()
                && !name.starts_with('.')
                && !["target", "node_modules", "dist"].contains(&name.as_str())
            {
                folders.push(path);
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found
}

fn read_text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// What stands between two marks.
fn texts_between<'a>(text: &'a str, from: &str, to: &str) -> Vec<&'a str> {
    text.split(from).skip(1).filter_map(|rest| rest.split_once(to)).map(|(inner, _)| inner).collect()
}

#[test]
fn every_test_that_security_md_names_exists() {
    let sources: String = find_files(&[".rs", ".py", ".test.mjs"]).iter().map(|path| read_text(path)).collect();
    let document = read_text(&repository_root().join("docs/security.md"));
    let is_name = |text: &&str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    let mut count = 0;
    for cell in document.split('`').skip(1).step_by(2) {
        let Some((_, name)) = cell.split_once("::").filter(|(file, name)| is_name(file) && is_name(name)) else {
            continue;
        };
        count += 1;
        let title = name.replace('_', " ");
        let forms = [
            format!("fn {name}("),
            format!("def {name}("),
            format!("\n    {name}: "),
            format!("(\"{title}\", async ("),
            format!("(`{title} [${{"),
        ];
        assert!(forms.iter().any(|form| sources.contains(form)), "there is no test {cell}");
    }
    assert!(count > 150, "{count}");
}

#[test]
fn every_link_leads_somewhere() {
    for path in find_files(&[".md"]) {
        for target in texts_between(&read_text(&path), "](", ")") {
            let file = target.split('#').next().unwrap();
            if !target.contains("://") && !file.is_empty() {
                assert!(path.parent().unwrap().join(file).exists(), "{}: {target}", path.display());
            }
        }
    }
}

#[test]
fn the_readme_names_every_variable_and_every_parameter() {
    let readme = read_text(&repository_root().join("README.md"));
    for variable in Config::VARIABLES {
        let is_named = readme.contains(&format!("`{variable}`"))
            || (variable.starts_with("AWS_ENDPOINT_URL_") && readme.contains(&variable[16..]))
            || variable == "AWS_DEFAULT_REGION";
        assert!(is_named, "{variable}");
    }
    let template = read_text(&repository_root().join("template.yaml"));
    let parameters = template.split("\nParameters:\n").nth(1).unwrap().split("\nRules:").next().unwrap();
    let names = parameters
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   ") && line.ends_with(':'));
    for name in names.map(|line| line.trim().trim_end_matches(':')) {
        assert!(readme.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn operations_md_explains_every_event() {
    let document = read_text(&repository_root().join("docs/operations.md"));
    for event in Event::ALL {
        let row = format!("\n| `{}` | {} |", event.name(), event.level().name());
        assert!(document.contains(&row), "{row}");
    }
    let counted = texts_between(&document, "Counted are ", ".")[0];
    for event in Event::ALL {
        assert_eq!(counted.contains(&format!("`{}`", event.name())), event.is_counted(), "{event:?}");
    }
}

/// The routes of the template and those that openapi.yaml describes are the same.
#[test]
fn openapi_yaml_describes_every_route() {
    let template = read_text(&repository_root().join("template.yaml"));
    let declared: BTreeSet<String> =
        texts_between(&template, "RouteKey: ", "\n").into_iter().map(str::to_owned).collect();
    let document = read_text(&repository_root().join("docs/openapi.yaml"));
    let paths = document.split("\npaths:\n").nth(1).unwrap().split("\ncomponents:").next().unwrap();
    let (mut described, mut path) = (BTreeSet::new(), "");
    for line in paths.lines() {
        let name = line.trim().trim_end_matches(':');
        if line.starts_with("  /") {
            path = name;
        } else if ["    get:", "    post:", "    delete:", "    put:"].contains(&line) {
            described.insert(format!("{} {path}", name.to_uppercase()));
        }
    }
    assert_eq!(described, declared);
}
