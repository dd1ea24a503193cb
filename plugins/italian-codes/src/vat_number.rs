//! VAT numbers: eleven digits, of which the last one is made of the others by Luhn's rule.

use crate::Fault;

const FORM: Fault = Fault {
    code: "vat-number-malformed",
    english: "an Italian VAT number has 11 digits, with or without IT before them",
    italian: "la partita IVA ha 11 cifre, con o senza IT davanti",
};
const CHECK_DIGIT: Fault = Fault {
    code: "vat-number-invalid",
    english: "this is no Italian VAT number: its check digit is wrong",
    italian: "la partita IVA non è valida: la cifra di controllo è errata",
};

/// What is wrong with a VAT number, with or without `IT` before it; none if nothing is.
pub fn fault(text: &str) -> Option<Fault> {
    let digits = text.strip_prefix("IT").unwrap_or(text).as_bytes();
    if digits.len() != 11 || !digits.iter().all(u8::is_ascii_digit) {
        return Some(FORM);
    }
    let sum: u32 = (1..)
        .zip(digits)
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0');
            match place % 2 {
                1 => digit,
                // The digits of the double are added.
                _ => digit * 2 / 10 + digit * 2 % 10,
            }
        })
        .sum();
    // Eleven noughts pass the sum and were never given to anybody.
    let is_right = sum.is_multiple_of(10) && digits.iter().any(|digit| *digit != b'0');
    (!is_right).then_some(CHECK_DIGIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_their_check_digit_pass() {
        for number in ["00743110157", "IT00743110157", "12345678903", "01234567897"] {
            assert_eq!(fault(number), None, "{number}");
        }
    }

    #[test]
    fn any_single_wrong_digit_is_found() {
        let right = *b"12345678903";
        for place in 0..11 {
            for digit in b'0'..=b'9' {
                let mut wrong = right;
                wrong[place] = digit;
                let text = std::str::from_utf8(&wrong).unwrap();
                assert_eq!(fault(text).is_none(), wrong == right, "{text}");
            }
        }
        assert_eq!(fault("00000000000"), Some(CHECK_DIGIT));
    }

    #[test]
    fn other_forms_are_refused() {
        for text in ["", "1234567890", "123456789031", "1234567890a", "DE123456789", "it12345678903", "１2345678903"] {
            assert_eq!(fault(text), Some(FORM), "{text}");
        }
    }
}
