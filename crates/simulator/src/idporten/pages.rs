//! The pages: choose a person, logged out, and what went wrong. No script; the style sheet is a route of its own.

use std::fmt::Write as _;

use super::Testperson;

pub(super) const STYLE: &str = include_str!("idporten.css");

/// The texts of a page in one language.
pub(super) struct Texts {
    lang: &'static str,
    choose: &'static str,
    intro: &'static str,
    persons: &'static str,
    other: &'static str,
    pid: &'static str,
    pid_hint: &'static str,
    pid_error: &'static str,
    error_prefix: &'static str,
    name: &'static str,
    log_in: &'static str,
    cancel: &'static str,
    logged_out: &'static str,
    telling: &'static str,
    go_on: &'static str,
    wrong: &'static str,
}

const NB: Texts = Texts {
    lang: "nb",
    choose: "Velg testperson",
    intro: "Dette er en simulator av ID-porten. Alle personene er oppdiktet.",
    persons: "Testpersoner",
    other: "Eller skriv et syntetisk fødselsnummer",
    pid: "Syntetisk fødselsnummer",
    pid_hint: "11 siffer, der 80 er lagt til måneden",
    pid_error: "Skriv et gyldig syntetisk fødselsnummer: 11 siffer, der 80 er lagt til måneden.",
    error_prefix: "Feil:",
    name: "Navn (valgfritt)",
    log_in: "Logg inn",
    cancel: "Avbryt",
    logged_out: "Du er logget ut",
    telling: "Vi logger deg ut av tjenestene du har brukt.",
    go_on: "Fortsett",
    wrong: "Innloggingen kan ikke starte",
};

const NN: Texts = Texts {
    lang: "nn",
    choose: "Vel testperson",
    intro: "Dette er ein simulator av ID-porten. Alle personane er oppdikta.",
    persons: "Testpersonar",
    other: "Eller skriv eit syntetisk fødselsnummer",
    pid: "Syntetisk fødselsnummer",
    pid_hint: "11 siffer, der 80 er lagt til månaden",
    pid_error: "Skriv eit gyldig syntetisk fødselsnummer: 11 siffer, der 80 er lagt til månaden.",
    error_prefix: "Feil:",
    name: "Namn (valfritt)",
    log_in: "Logg inn",
    cancel: "Avbryt",
    logged_out: "Du er logga ut",
    telling: "Vi loggar deg ut av tenestene du har brukt.",
    go_on: "Hald fram",
    wrong: "Innlogginga kan ikkje starte",
};

const EN: Texts = Texts {
    lang: "en",
    choose: "Choose a test person",
    intro: "This is a simulator of ID-porten. All persons are made up.",
    persons: "Test persons",
    other: "Or enter a synthetic national identity number",
    pid: "Synthetic national identity number",
    pid_hint: "11 digits, with 80 added to the month",
    pid_error: "Enter a valid synthetic national identity number: 11 digits, with 80 added to the month.",
    error_prefix: "Error:",
    name: "Name (optional)",
    log_in: "Log in",
    cancel: "Cancel",
    logged_out: "You are logged out",
    telling: "We are logging you out of the services that you have used.",
    go_on: "Continue",
    wrong: "The login cannot start",
};

/// The texts in the first language of `ui_locales` that there is; bokmål otherwise.
pub(super) fn texts(ui_locales: Option<&str>) -> &'static Texts {
    let mut locales = ui_locales.unwrap_or_default().split_whitespace();
    locales
        .find_map(|locale| match locale.split('-').next() {
            Some("nb" | "no") => Some(&NB),
            Some("nn") => Some(&NN),
            Some("en") => Some(&EN),
            _ => None,
        })
        .unwrap_or(&NB)
}

/// The page where a person is chosen. The forms go to the address of the page itself, whose query is the request.
pub(super) fn choose(texts: &Texts, personer: &[Testperson], wrong: Option<&str>) -> String {
    let mut persons = String::new();
    for person in personer {
        let (pid, navn, beskrivelse) =
            (escape(&person.pid), escape(&person.navn), escape(&person.beskrivelse));
        let _ = writeln!(
            persons,
            "<li><form method=\"post\"><input type=\"hidden\" name=\"pid\" value=\"{pid}\">\
             <button class=\"person\"><span class=\"navn\">{navn}</span> <span class=\"om\">{beskrivelse}</span></button>\
             </form></li>"
        );
    }
    let persons = if persons.is_empty() {
        String::new()
    } else {
        format!("<h2>{}</h2>\n<ul>\n{persons}</ul>\n", texts.persons)
    };
    let (error, invalid, described) = match wrong {
        None => (String::new(), "", "pid-hint"),
        Some(_) => (
            format!("<p class=\"feil\" id=\"pid-feil\">{}</p>\n", texts.pid_error),
            " aria-invalid=\"true\" autofocus",
            "pid-hint pid-feil",
        ),
    };
    let main = format!(
        "<h1>{choose}</h1>\n<p>{intro}</p>\n{persons}<h2>{other}</h2>\n<form method=\"post\">\n\
         <label for=\"pid\">{pid}</label>\n<p class=\"hint\" id=\"pid-hint\">{hint}</p>\n{error}\
         <input id=\"pid\" name=\"pid\" inputmode=\"numeric\" autocomplete=\"off\" maxlength=\"20\" value=\"{value}\" \
         aria-describedby=\"{described}\"{invalid}>\n\
         <label for=\"navn\">{name}</label>\n<input id=\"navn\" name=\"navn\" autocomplete=\"off\" maxlength=\"100\">\n\
         <button>{log_in}</button>\n</form>\n\
         <form method=\"post\"><button class=\"avbryt\" name=\"avbryt\" value=\"ja\">{cancel}</button></form>\n",
        choose = texts.choose,
        intro = texts.intro,
        other = texts.other,
        pid = texts.pid,
        hint = texts.pid_hint,
        value = escape(wrong.unwrap_or_default()),
        name = texts.name,
        log_in = texts.log_in,
        cancel = texts.cancel,
    );
    let title = match wrong {
        None => texts.choose.to_owned(),
        Some(_) => format!("{} {}", texts.error_prefix, texts.choose),
    };
    page(texts, &title, &main)
}

/// The page that ends a session: it loads each of `told` and leads on.
pub(super) fn logged_out(texts: &Texts, told: &[String], location: Option<&str>) -> String {
    let mut main = format!("<h1>{}</h1>\n", texts.logged_out);
    if !told.is_empty() {
        let _ = writeln!(main, "<p>{}</p>", texts.telling);
    }
    if let Some(location) = location {
        let _ = writeln!(main, "<p><a class=\"knapp\" href=\"{}\">{}</a></p>", escape(location), texts.go_on);
    }
    for uri in told {
        let _ =
            writeln!(main, "<iframe hidden title=\"{}\" src=\"{}\"></iframe>", texts.logged_out, escape(uri));
    }
    page(texts, texts.logged_out, &main)
}

/// The page of a request that cannot be answered to the client, with `reason` for the developer.
pub(super) fn wrong(texts: &Texts, reason: &str) -> String {
    let main = format!("<h1>{}</h1>\n<p lang=\"en\">{}</p>\n", texts.wrong, escape(reason));
    page(texts, texts.wrong, &main)
}

fn page(texts: &Texts, title: &str, main: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"{lang}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} – ID-porten (simulator)</title>\n<link rel=\"stylesheet\" href=\"idporten.css\">\n\
         </head>\n<body>\n<main>\n{main}</main>\n</body>\n</html>\n",
        lang = texts.lang,
        title = escape(title),
    )
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_language_is_taken() {
        for (asked, lang) in [
            (None, "nb"),
            (Some(""), "nb"),
            (Some("nn"), "nn"),
            (Some("en-GB nb"), "en"),
            (Some("se nn en"), "nn"),
            (Some("no"), "nb"),
            (Some("de"), "nb"),
        ] {
            assert_eq!(texts(asked).lang, lang, "{asked:?}");
        }
    }

    #[test]
    fn texts_from_outside_are_escaped() {
        let person = Testperson {
            pid: "1".to_owned(),
            navn: "<b>&'\"".to_owned(),
            beskrivelse: "<script>".to_owned(),
        };
        let page = choose(&NB, &[person], Some("\"><script>"));
        assert!(!page.contains("<script") && !page.contains("<b>"), "{page}");
        assert!(page.contains("&lt;b&gt;&amp;&#39;&quot;"));
    }
}
