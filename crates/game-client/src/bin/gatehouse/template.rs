//! The command of `join`, with its placeholders.

use crate::failure::Failure;

/// A command whose arguments hold `{address}`, `{port}`, `{secret}`, `{ticket}` and `{name}`.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    arguments: Vec<Vec<Part>>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Placeholder(Placeholder),
}

#[derive(Clone, Copy, Debug)]
enum Placeholder {
    Address,
    Port,
    Secret,
    Ticket,
    Name,
}

/// What the placeholders stand for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Values<'a> {
    pub(crate) address: &'a str,
    pub(crate) port: u16,
    pub(crate) secret: &'a str,
    pub(crate) ticket: &'a str,
    pub(crate) name: &'a str,
}

impl Template {
    /// The template that `arguments` are.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, Failure> {
        let arguments = arguments.iter().map(|argument| parse(argument));
        Ok(Self { arguments: arguments.collect::<Result<_, _>>()? })
    }

    /// The command, if there is one.
    pub(crate) fn fill(&self, values: Values<'_>) -> Option<(String, Vec<String>)> {
        let fill = |parts: &Vec<Part>| parts.iter().map(|part| part.fill(values)).collect();
        let mut arguments = self.arguments.iter().map(fill);
        let program = arguments.next()?;
        Some((program, arguments.collect()))
    }
}

impl Part {
    fn fill(&self, values: Values<'_>) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Placeholder(Placeholder::Address) => values.address.to_owned(),
            Self::Placeholder(Placeholder::Port) => values.port.to_string(),
            Self::Placeholder(Placeholder::Secret) => values.secret.to_owned(),
            Self::Placeholder(Placeholder::Ticket) => values.ticket.to_owned(),
            Self::Placeholder(Placeholder::Name) => values.name.to_owned(),
        }
    }
}

fn parse(argument: &str) -> Result<Vec<Part>, Failure> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut rest = argument;
    while let Some(brace) = rest.find(['{', '}']) {
        let (before, from_brace) = rest.split_at(brace);
        text.push_str(before);
        if from_brace.starts_with("{{") || from_brace.starts_with("}}") {
            text.push_str(&from_brace[..1]);
            rest = &from_brace[2..];
            continue;
        }
        let name = from_brace.strip_prefix('{').and_then(|inside| inside.split_once('}'));
        let Some((name, behind)) = name else {
            return Err(unknown(argument, "a single brace; write {{ or }} for it"));
        };
        let placeholder = match name {
            "address" => Placeholder::Address,
            "port" => Placeholder::Port,
            "secret" => Placeholder::Secret,
            "ticket" => Placeholder::Ticket,
            "name" => Placeholder::Name,
            _ => {
                let what = format!(
                    "{{{name}}} is unknown; there are {{address}}, {{port}}, {{secret}}, {{ticket}} and {{name}}"
                );
                return Err(unknown(argument, &what));
            }
        };
        parts.push(Part::Text(std::mem::take(&mut text)));
        parts.push(Part::Placeholder(placeholder));
        rest = behind;
    }
    text.push_str(rest);
    parts.push(Part::Text(text));
    Ok(parts)
}

fn unknown(argument: &str, what: &str) -> Failure {
    Failure::usage("unknown_placeholder", format!("argument {argument:?} of the command: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn filled(arguments: &[&str]) -> Option<(String, Vec<String>)> {
        let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
        let values =
            Values { address: "::1", port: 7, secret: "{port}", ticket: "v4", name: "Ada" };
        Template::parse(&arguments).unwrap().fill(values)
    }

    #[test]
    fn placeholders_are_replaced_in_every_argument() {
        let expected = ("game".into(), vec!["-n".into(), "::1:7".into(), "{port}Ada".into()]);
        assert_eq!(filled(&["game", "-n", "{address}:{port}", "{secret}{name}"]), Some(expected));
        assert_eq!(filled(&["a{{b}}{{{name}}}"]), Some(("a{b}{Ada}".into(), vec![])));
        assert_eq!(filled(&["{ticket}"]), Some(("v4".into(), vec![])));
        assert_eq!(filled(&["", "é{port}é"]), Some((String::new(), vec!["é7é".into()])));
        assert_eq!(filled(&[]), None);
    }

    #[test]
    fn anything_else_in_braces_is_an_error() {
        for wrong in ["{adress}", "{", "}", "{}", "a{port", "{port}}", "{Port}"] {
            let failure = Template::parse(&[wrong.to_owned()]).unwrap_err();
            assert_eq!(failure.reason, "unknown_placeholder", "{wrong}");
        }
    }
}
