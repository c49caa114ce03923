//! `Ref`, `Sub`, `Join`, and `If` on a condition that compares, with the values that things have
//! on one machine.

use serde_json::{Map, Value};

use super::error::TemplateError;

/// What names mean: parameters, conditions, resources and pseudo parameters.
pub(super) struct Scope<'a> {
    parameters: Option<&'a Map<String, Value>>,
    conditions: Option<&'a Map<String, Value>>,
    resources: Option<&'a Map<String, Value>>,
    /// The URL that CloudFormation would make of the API, after `Sub`.
    deployed_url: Option<String>,
    local_url: &'a str,
}

/// What a name or an intrinsic function resolves to.
enum Resolved {
    Text(String),
    /// The ARN of a secret, of which there is none here, or `AWS::NoValue`.
    Absent,
}

const REGION: &str = "us-east-1";
const URL_SUFFIX: &str = "amazonaws.com";

impl<'a> Scope<'a> {
    pub(super) fn new(document: &'a Value, local_url: &'a str) -> Self {
        let section = |name: &str| document.get(name).and_then(Value::as_object);
        let resources = section("Resources");
        let api = resources
            .into_iter()
            .flatten()
            .find(|(_, resource)| resource_type(resource) == "AWS::ApiGatewayV2::Api");
        Self {
            parameters: section("Parameters"),
            conditions: section("Conditions"),
            resources,
            deployed_url: api.map(|(id, _)| format!("https://{id}.execute-api.{REGION}.{URL_SUFFIX}")),
            local_url,
        }
    }

    /// The text of a value; `None` when it is the ARN of a secret, or left out.
    pub(super) fn resolve_text(&self, value: &Value, path: &str) -> Result<Option<String>, TemplateError> {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(value) => value.to_string(),
            Value::Object(_) => match self.evaluate(value, path)? {
                Resolved::Text(text) => text,
                Resolved::Absent => return Ok(None),
            },
            Value::Null | Value::Array(_) => return Err(TemplateError::Property { path: path.to_owned() }),
        };
        let local = self.deployed_url.as_deref().and_then(|url| text.strip_prefix(url));
        Ok(Some(match local {
            Some(rest) => format!("{}{rest}", self.local_url),
            None => text,
        }))
    }

    /// The texts of a list; of a parameter that is a list, its default.
    pub(super) fn resolve_list(&self, value: &Value, path: &str) -> Result<Vec<String>, TemplateError> {
        if let Value::Array(items) = value {
            return items.iter().map(|item| Ok(self.resolve_text(item, path)?.unwrap_or_default())).collect();
        }
        let text = self.resolve_text(value, path)?.unwrap_or_default();
        Ok(text.split(',').map(|item| item.trim().to_owned()).collect())
    }

    /// Rejects a value with any intrinsic function in it.
    pub(super) fn require_literal(&self, value: &Value, path: &str) -> Result<(), TemplateError> {
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.require_literal(item, path)),
            Value::Object(fields) => fields.iter().try_for_each(|(name, value)| {
                if name == "Ref" || name.starts_with("Fn::") {
                    return Err(TemplateError::Intrinsic { name: name.clone(), path: path.to_owned() });
                }
                self.require_literal(value, path)
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    /// The logical id of the function whose ARN is in an integration's URI.
    pub(super) fn resolve_function(&self, uri: &Value, path: &str) -> Result<String, TemplateError> {
        let invalid = || TemplateError::Property { path: path.to_owned() };
        let get_att = uri.get("Fn::GetAtt");
        let name = match get_att {
            Some(Value::String(text)) => text.strip_suffix(".Arn").map(str::to_owned),
            Some(Value::Array(parts)) => match parts.as_slice() {
                [Value::String(id), Value::String(attribute)] if attribute == "Arn" => Some(id.clone()),
                _ => None,
            },
            _ => {
                let text = self.resolve_text(uri, path)?.ok_or_else(invalid)?;
                let arn = text.split_once(FUNCTION_ARN).map(|(_, rest)| rest.to_owned());
                arn.map(|rest| rest.split('/').next().unwrap_or_default().to_owned())
            }
        };
        let name = name.ok_or_else(invalid)?;
        match self.resources.and_then(|resources| resources.get(&name)) {
            Some(resource) if resource_type(resource) == "AWS::Serverless::Function" => Ok(name),
            _ => Err(TemplateError::Reference { name, path: path.to_owned() }),
        }
    }

    fn evaluate(&self, value: &Value, path: &str) -> Result<Resolved, TemplateError> {
        let single = value.as_object().filter(|fields| fields.len() == 1).and_then(|fields| fields.iter().next());
        match single {
            Some((name, Value::String(argument))) if name == "Ref" => self.resolve_reference(argument, path),
            Some((name, Value::String(text))) if name == "Fn::Sub" => self.substitute(text, path),
            Some((name, Value::Array(parts))) if name == "Fn::Join" => match parts.as_slice() {
                [Value::String(between), list] => Ok(Resolved::Text(self.resolve_list(list, path)?.join(between))),
                _ => Err(TemplateError::Property { path: path.to_owned() }),
            },
            Some((name, Value::Array(parts))) if name == "Fn::If" => match parts.as_slice() {
                [Value::String(condition), yes, no] => {
                    let chosen = if self.eval_condition(condition, path)? { yes } else { no };
                    Ok(self.resolve_text(chosen, path)?.map_or(Resolved::Absent, Resolved::Text))
                }
                _ => Err(TemplateError::Property { path: path.to_owned() }),
            },
            Some((name, _)) if name == "Ref" || name.starts_with("Fn::") => {
                Err(TemplateError::Intrinsic { name: name.clone(), path: path.to_owned() })
            }
            _ => Err(TemplateError::Property { path: path.to_owned() }),
        }
    }

    /// Evaluates a condition of the template by its name.
    fn eval_condition(&self, name: &str, path: &str) -> Result<bool, TemplateError> {
        let unknown = || TemplateError::Reference { name: name.to_owned(), path: path.to_owned() };
        let condition = self.conditions.and_then(|conditions| conditions.get(name)).ok_or_else(unknown)?;
        self.is_true(condition, &format!("Conditions.{name}"))
    }

    /// `Equals` of two values, and `Not` of another condition.
    fn is_true(&self, condition: &Value, path: &str) -> Result<bool, TemplateError> {
        let single = condition.as_object().and_then(|fields| fields.iter().next());
        match single.map(|(name, arguments)| (name.as_str(), arguments.as_array().map(Vec::as_slice))) {
            Some(("Fn::Equals", Some([left, right]))) => {
                Ok(self.resolve_text(left, path)? == self.resolve_text(right, path)?)
            }
            Some(("Fn::Not", Some([inner]))) => self.is_true(inner, path).map(|is_true| !is_true),
            Some((name, _)) => Err(TemplateError::Intrinsic { name: name.to_owned(), path: path.to_owned() }),
            None => Err(TemplateError::Property { path: path.to_owned() }),
        }
    }

    fn substitute(&self, text: &str, path: &str) -> Result<Resolved, TemplateError> {
        let mut result = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, following) =
                after.split_once('}').ok_or_else(|| TemplateError::Property { path: path.to_owned() })?;
            result.push_str(before);
            // `${!x}` is how a literal `${x}` is written.
            match name.strip_prefix('!') {
                Some(literal) => result.push_str(&format!("${{{literal}}}")),
                None => match self.resolve_reference(name.trim(), path)? {
                    Resolved::Text(value) => result.push_str(&value),
                    Resolved::Absent => return Ok(Resolved::Absent),
                },
            }
            rest = following;
        }
        result.push_str(rest);
        Ok(Resolved::Text(result))
    }

    fn resolve_reference(&self, name: &str, path: &str) -> Result<Resolved, TemplateError> {
        if name == "AWS::NoValue" {
            return Ok(Resolved::Absent);
        }
        let unknown = || TemplateError::Reference { name: name.to_owned(), path: path.to_owned() };
        if let Some(parameter) = self.parameters.and_then(|parameters| parameters.get(name)) {
            return match parameter.get("Default") {
                Some(Value::String(text)) => Ok(Resolved::Text(text.clone())),
                Some(Value::Number(number)) => Ok(Resolved::Text(number.to_string())),
                Some(Value::Bool(value)) => Ok(Resolved::Text(value.to_string())),
                _ => Err(unknown()),
            };
        }
        let (id, attribute) = name.split_once('.').unwrap_or((name, ""));
        if let Some(resource) = self.resources.and_then(|resources| resources.get(id)) {
            return match (resource_type(resource), attribute) {
                ("AWS::SecretsManager::Secret", "") => Ok(Resolved::Absent),
                ("AWS::Serverless::Function", "Arn") => Ok(Resolved::Text(format!("{FUNCTION_ARN}{id}"))),
                (_, "") => Ok(Resolved::Text(id.to_owned())),
                _ => Err(unknown()),
            };
        }
        let pseudo = match name {
            "AWS::Region" => REGION,
            "AWS::URLSuffix" => URL_SUFFIX,
            "AWS::Partition" => "aws",
            "AWS::AccountId" => "000000000000",
            "AWS::StackName" => "relatch",
            _ => return Err(unknown()),
        };
        Ok(Resolved::Text(pseudo.to_owned()))
    }
}

const FUNCTION_ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:";

fn resource_type(resource: &Value) -> &str {
    resource.get("Type").and_then(Value::as_str).unwrap_or_default()
}
