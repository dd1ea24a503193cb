//! Fiscal codes: sixteen characters of a person with a check letter (decree of 23 December 1976), or the eleven digits of a company.

use crate::{Fault, vat_number};

const FORM: Fault = Fault {
    code: "fiscal-code-malformed",
    english: "an Italian fiscal code has 16 letters and digits, such as RSSMRA85T10A562S",
    italian: "il codice fiscale ha 16 lettere e cifre, come RSSMRA85T10A562S",
};
const CHECK_LETTER: Fault = Fault {
    code: "fiscal-code-invalid",
    english: "this is no Italian fiscal code: its last letter is wrong",
    italian: "il codice fiscale non è valido: l'ultima lettera è errata",
};
/// What stands for digits where two people would have one code.
const LETTERS_FOR_DIGITS: &[u8] = b"LMNPQRSTUV";
/// Months by letter.
const MONTHS: &[u8] = b"ABCDEHLMPRST";
/// Values of the characters at odd places; 0 to 9 and A to J share theirs.
const ODD: [u32; 26] = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];

/// What is wrong with a fiscal code; none if nothing is. `companies` tells whether their eleven digits are one.
pub fn fault(text: &str, companies: bool) -> Option<Fault> {
    let code = text.as_bytes();
    if companies && code.len() == 11 && code.iter().all(u8::is_ascii_digit) {
        return vat_number::fault(text).map(|_| CHECK_LETTER);
    }
    if code.len() != 16 || !has_form(code) {
        return Some(FORM);
    }
    let sum: u32 = (1..).zip(&code[..15]).map(|(place, character)| value(*character, place % 2 == 1)).sum();
    (u32::from(code[15] - b'A') != sum % 26).then_some(CHECK_LETTER)
}

/// Six letters, year, month, day, a letter and three digits of the place, and the check letter.
fn has_form(code: &[u8]) -> bool {
    let is_digit = |character: &u8| character.is_ascii_digit() || LETTERS_FOR_DIGITS.contains(character);
    code[..6].iter().all(u8::is_ascii_uppercase)
        && code[6..8].iter().all(is_digit)
        && MONTHS.contains(&code[8])
        && code[9..11].iter().all(is_digit)
        && code[11].is_ascii_uppercase()
        && code[12..15].iter().all(is_digit)
        && code[15].is_ascii_uppercase()
}

fn value(character: u8, is_odd: bool) -> u32 {
    let number = if character.is_ascii_digit() { character - b'0' } else { character - b'A' };
    if is_odd { ODD[usize::from(number)] } else { u32::from(number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_with_their_check_letter_pass() {
        for code in ["RSSMRA85T10A562S", "MRTMTT91D08F205J", "MLLSNT82P65Z404U", "12345678903"] {
            assert_eq!(fault(code, true), None, "{code}");
        }
    }

    #[test]
    fn a_wrong_letter_is_found() {
        for letter in b'A'..=b'Z' {
            let code = format!("RSSMRA85T10A562{}", letter as char);
            assert_eq!(fault(&code, true).is_none(), letter == b'S', "{code}");
        }
        assert_eq!(fault("12345678904", true), Some(CHECK_LETTER));
    }

    #[test]
    fn other_forms_are_refused() {
        for code in
            ["", "RSSMRA85T10A562", "rssmra85t10a562s", "RSSMRA85F10A562S", "RSSMRA85T10A5625", "ÈSSMRA85T10A562"]
        {
            assert_eq!(fault(code, true), Some(FORM), "{code}");
        }
        assert_eq!(fault("12345678903", false), Some(FORM), "a company where a person is meant");
    }
}
