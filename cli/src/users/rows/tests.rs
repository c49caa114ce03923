use super::*;
use proptest::prelude::*;

/// The cost of 4 keeps it cheap; nothing here runs it.
const HASH: &str = "$2b$04$m0GOhVHRZqhuv3pRb1wGLuu7LvpGl.j/ou9fyBY1K3zXKS.H4L3Le";

fn rows(text: &[u8], format: Format) -> Vec<Row> {
    match format {
        Format::Jsonl => read_json_lines(text, 12).map(Result::unwrap).collect(),
        Format::Csv => read_csv(text, 12).unwrap().map(Result::unwrap).collect(),
    }
}

fn rejections(text: &str, format: Format) -> Vec<(u64, Option<Rejection>)> {
    rows(text.as_bytes(), format).into_iter().map(|row| (row.line, row.user.err())).collect()
}

#[test]
fn both_forms_give_the_same_users() {
    let json = format!(
        "\u{feff}{{\"email\":\"Ada@Example.com\",\"password_hash\":\"{HASH}\",\"sub\":\"auth0|1\",\"name\":\"Ada\"}}\n\n\
         {{\"password_hash\":\"{HASH}\",\"email\":\"bob@example.com\",\"sub\":null,\"status\":\"disabled\"}}"
    );
    let csv = format!(
        "\u{feff}name,status,sub,email,password_hash\r\nAda,,auth0|1,Ada@Example.com,{HASH}\r\n\"B,\nob\",disabled,,bob@example.com,{HASH}\r\n"
    );
    let users = |rows: Vec<Row>| rows.into_iter().map(|row| row.user.unwrap()).collect::<Vec<_>>();
    let (json, csv) = (users(rows(json.as_bytes(), Format::Jsonl)), users(rows(csv.as_bytes(), Format::Csv)));
    assert_eq!(json, csv);
    assert_eq!(json[0].email.as_str(), "ada@example.com");
    assert_eq!(json[0].id, Some(UserId::parse("auth0|1").unwrap()));
    assert_eq!(json[1].id, None);
    assert_eq!((json[0].status, json[1].status), (UserStatus::Active, UserStatus::Disabled));
}

#[test]
fn each_bad_line_has_its_line_and_its_reason() {
    let object = |email: &str, hash: &str, more: &str| {
        format!("{{\"email\":\"{email}\",\"password_hash\":\"{hash}\"{more}}}\n")
    };
    let (x, high) = (HASH.replace("$2b$", "$2x$"), HASH.replace("$04$", "$13$"));
    let long = format!("{}\n", "x".repeat(3 * MAX_LINE_BYTES));
    let text = [
        object("ada@example.com", HASH, ""),
        "not json\n".to_owned(),
        "[\"a@example.com\",\"x\"]\n".to_owned(),
        "{}\n".to_owned(),
        object("a@example.com", HASH, ",\"email\":\"b@example.com\""),
        object("a@example.com", HASH, ",\"sub\":7"),
        object("nobody", HASH, ""),
        object("a@example.com", "secret", ""),
        object("a@example.com", &x, ""),
        object("a@example.com", &high, ""),
        object("a@example.com", HASH, ",\"sub\":\"a b\""),
        object("a@example.com", HASH, ",\"status\":\"deleted\""),
        long,
        object("bob@example.com", HASH, ""),
    ]
    .concat();
    let expected = [
        None,
        Some(Rejection::Malformed),
        Some(Rejection::Malformed),
        Some(Rejection::Fields),
        Some(Rejection::Fields),
        Some(Rejection::Fields),
        Some(Rejection::Email),
        Some(Rejection::Hash(InvalidHash::Malformed)),
        Some(Rejection::Hash(InvalidHash::Version2x)),
        Some(Rejection::Cost(13)),
        Some(Rejection::Sub),
        Some(Rejection::Status),
        Some(Rejection::TooLong),
        None,
    ];
    let found = rejections(&text, Format::Jsonl);
    assert_eq!(found, (1..).zip(expected).collect::<Vec<_>>());
    let end = rows(text.as_bytes(), Format::Jsonl).last().unwrap().offset;
    assert_eq!(end, u64::try_from(text.len()).unwrap());
}

#[test]
fn a_line_of_csv_has_a_field_for_each_column() {
    let text =
        format!("email,password_hash\na@example.com\na@example.com,{HASH},x\nb@example.com,{HASH}\n,{HASH}\n");
    let malformed = Some(Rejection::Malformed);
    assert_eq!(
        rejections(&text, Format::Csv),
        [(2, malformed), (3, malformed), (4, None), (5, Some(Rejection::Email))]
    );
}

#[test]
fn the_columns_are_named_once() {
    for columns in [
        "email",
        "password_hash",
        "email,email,password_hash",
        "email,password_hash,sub,sub",
        "email,password_hash,status,status",
        "Email,x",
        "",
    ] {
        assert!(read_csv(columns.as_bytes(), 12).is_err(), "{columns}");
    }
}

#[test]
fn the_form_follows_from_the_name() {
    for (name, format) in
        [("a.csv", Format::Csv), ("a.CSV", Format::Csv), ("a.jsonl", Format::Jsonl), ("a", Format::Jsonl)]
    {
        assert_eq!(Format::from_path(Path::new(name)), format, "{name}");
    }
}

#[test]
fn a_reason_never_shows_what_stands_in_the_row() {
    let text = "{\"email\":\"hunter2\",\"password_hash\":\"hunter2\"}\n{\"email\":hunter2}\n{\"hunter2\":1,\"email\":[\"hunter2\"]}";
    for row in rows(text.as_bytes(), Format::Jsonl) {
        assert!(!row.user.unwrap_err().to_string().contains("hunter2"));
    }
}

proptest! {
    #[test]
    fn no_file_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(read_json_lines(bytes.as_slice(), 12).all(|row| row.is_ok_and(|row| row.user.is_err())));
        let with_columns = [b"email,password_hash\n".as_slice(), &bytes].concat();
        prop_assert!(read_csv(with_columns.as_slice(), 12).unwrap().all(|row| row.is_ok_and(|row| row.user.is_err())));
    }
}
