//! YAML with CloudFormation's tags as JSON: `!Sub x` becomes `{"Fn::Sub": x}`, the form
//! in which JSON templates write it.

use saphyr::{LoadableYamlNode as _, ScalarOwned, YamlOwned};
use serde_json::{Map, Value};

use super::error::TemplateError;

/// Parses the first document of a text.
pub(super) fn parse(text: &str) -> Result<Value, TemplateError> {
    let documents = YamlOwned::load_from_str(text).map_err(|error| TemplateError::Yaml(error.to_string()))?;
    let document = documents.into_iter().next().ok_or_else(|| TemplateError::Yaml("it is empty".to_owned()))?;
    Ok(to_json(document))
}

fn to_json(node: YamlOwned) -> Value {
    match node {
        YamlOwned::Value(scalar) => match scalar {
            ScalarOwned::Null => Value::Null,
            ScalarOwned::Boolean(value) => Value::Bool(value),
            ScalarOwned::Integer(value) => Value::from(value),
            ScalarOwned::FloatingPoint(value) => Value::from(value.into_inner()),
            ScalarOwned::String(text) => Value::String(text),
        },
        YamlOwned::Representation(text, _, tag) => match tag {
            Some(tag) => to_intrinsic(&tag.suffix, Value::String(text)),
            None => Value::String(text),
        },
        YamlOwned::Sequence(items) => Value::Array(items.into_iter().map(to_json).collect()),
        YamlOwned::Mapping(fields) => {
            let fields = fields.into_iter().filter_map(|(name, value)| Some((field_name(name)?, to_json(value))));
            Value::Object(fields.collect())
        }
        YamlOwned::Tagged(tag, node) => to_intrinsic(&tag.suffix, to_json(*node)),
        YamlOwned::Alias(_) | YamlOwned::BadValue => Value::Null,
    }
}

/// The name of a field; templates write some numbers without quotes.
fn field_name(node: YamlOwned) -> Option<String> {
    match to_json(node) {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn to_intrinsic(name: &str, argument: Value) -> Value {
    let name = match name {
        "Ref" | "Condition" => name.to_owned(),
        _ => format!("Fn::{name}"),
    };
    Value::Object(Map::from_iter([(name, argument)]))
}
