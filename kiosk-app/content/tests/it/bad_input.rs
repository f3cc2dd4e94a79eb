//! One broken thing at a time, and what the manager reads.

use super::shop_folder::{MENU, SHOP, THEME, open, png, put, whole};
use kiosk_content::{Limits, load};
use kiosk_core::{Minor, catalogue::TaxRounding, config::Tip};
use proptest::prelude::*;

/// Replaces `from` by `to` in a file of the whole shop; the problems must be exactly `expected`.
fn broken(file: &str, from: &str, to: &str, expected: &[&str]) {
    let dir = whole();
    let text = match file {
        "shop.toml" => SHOP,
        "theme.toml" => THEME,
        _ => MENU,
    };
    assert!(text.contains(from), "{from}");
    put(dir.path(), file, text.replacen(from, to, 1));
    let problems = open(dir.path()).unwrap_err().to_string();
    assert_eq!(problems.lines().collect::<Vec<_>>(), expected, "{from} -> {}", to.chars().take(100).collect::<String>());
}

fn menu(from: &str, to: &str, expected: &str) {
    broken("menu/menu.toml", from, to, &[expected]);
}

#[test]
fn a_reference_to_nothing_names_the_nearest_word() {
    menu(
        "groups = [\"extras\"]",
        "groups = [\"exras\"]",
        "menu/menu.toml line 27: article bun names the modifier group \"exras\", which no file defines. Did you mean \"extras\"?",
    );
    menu(
        "groups = [\"extras\"]",
        "groups = [\"sauces\"]",
        "menu/menu.toml line 27: article bun names the modifier group \"sauces\", which no file defines. \
         Define it with [[group]] key = \"sauces\", or take it out here.",
    );
    menu(
        "tax = \"food\"\nname = { en = \"Bun\" }",
        "tax = \"fod\"\nname = { en = \"Bun\" }",
        "menu/menu.toml line 23: article bun names the tax \"fod\", which no file defines. Did you mean \"food\"?",
    );
    menu(
        "category = \"all\"\ntax = \"food\"\nname = { en = \"Bun\" }",
        "category = \"drinks\"\ntax = \"food\"\nname = { en = \"Bun\" }",
        "menu/menu.toml line 22: article bun names the category \"drinks\", which no file defines. \
         Define it with [[category]] key = \"drinks\", or take it out here.",
    );
    menu(
        "picture = \"bun\"",
        "picture = \"bnu\"",
        "menu/menu.toml line 25: article bun shows the picture \"bnu\", but there is no pictures/bnu.png that can be shown. \
         Did you mean \"bun\"?",
    );
    menu(
        "picture = \"bun\"",
        "picture = \"bun\"\ntint = \"plan\"",
        "menu/menu.toml line 26: article bun stands on the tint \"plan\", which theme.toml does not define. Did you mean \"plain\"?",
    );
    menu(
        "choices = [\"bun\"]",
        "choices = [\"buns\"]",
        "menu/menu.toml line 38: a part of combo deal names the article \"buns\", which no file defines. Did you mean \"bun\"?",
    );
}

#[test]
fn an_amount_is_exact_or_refused() {
    let price = |written: &str, why: &str| {
        let to = format!("price = {written}\ngroups");
        menu("price = \"3.40\"\ngroups", &to, &format!("menu/menu.toml line 26: \"price\" of article bun is {why}"));
    };
    price("\"-3.40\"", "\"-3.40\", which is negative. Write 0 or more; a reduction is an offer, not a price.");
    price("\"3.405\"", "\"3.405\", but there are only 2 digits after the point. Round it to what can be paid.");
    price("\"3,40\"", "\"3,40\", with a comma. Write a point: \"3.40\".");
    price("\"€3.40\"", "\"€3.40\", which is no amount. Write price = \"11.90\".");
    price("3.40", "a number with a point. Write price = \"11.90\".");
    price("\"99999999999\"", "\"99999999999\", more than is possible. Check the point: is it in the right place?");
    menu(
        "price = \"3.40\"",
        "price = { eat_in = \"3.40\" }",
        "menu/menu.toml line 26: article bun has no \"takeaway\". Add takeaway = \"11.90\".",
    );
    menu("price = \"3.40\"\n", "", "menu/menu.toml line 20: article bun has no \"price\". Add price = \"11.90\".");
    menu(
        "price = \"1.20\"",
        "price = \"-1\"",
        "menu/menu.toml line 17: \"price\" of choice cheese is \"-1\", which is negative. \
         Write 0 or more; a reduction is an offer, not a price.",
    );
    menu(
        "rate = \"7\"",
        "rate = \"-7\"",
        "menu/menu.toml line 3: \"rate\" of tax food is \"-7\", which is negative. \
         Write 0 or more; a reduction is an offer, not a price.",
    );
}

#[test]
fn another_currency_than_the_shop_s_is_refused() {
    menu(
        "[[tax]]",
        "currency = \"USD\"\n[[tax]]",
        "menu/menu.toml line 1: the file's prices are in USD, but the shop sells in EUR. \
         Convert the prices, or set the currency in shop.toml.",
    );
    broken(
        "shop.toml",
        "\"EUR\"",
        "\"ERU\"",
        &["shop.toml line 2: \"currency\" of the file is \"ERU\", which ISO 4217 does not know. Did you mean \"ERN\"?"],
    );
    broken(
        "shop.toml",
        "\"EUR\"",
        "\"JPY\"",
        &[
            "menu/menu.toml line 17: \"price\" of choice cheese is \"1.20\", but there are only 0 digits after the point. \
             Round it to what can be paid.",
            "menu/menu.toml line 26: \"price\" of article bun is \"3.40\", but there are only 0 digits after the point. \
             Round it to what can be paid.",
            "menu/menu.toml line 35: \"price\" of combo deal is \"5.00\", but there are only 0 digits after the point. \
             Round it to what can be paid.",
        ],
    );
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    menu(
        "price = \"3.40\"\ngroups",
        "price = \"3.40\"\ngruops",
        "menu/menu.toml line 27: article bun does not know the key \"gruops\". Did you mean \"groups\"?",
    );
    menu(
        "max = 2",
        "max = 2\ncolour = 3",
        "menu/menu.toml line 14: modifier group extras does not know the key \"colour\". \
         Take it out; the keys are key, name, min, max, choice.",
    );
    broken(
        "shop.toml",
        "name = \"Test\"",
        "nmae = \"Test\"",
        &[
            "shop.toml line 1: the file does not know the key \"nmae\". Did you mean \"name\"?",
            "shop.toml line 1: the file has no \"name\". Add name = \"Boyd's\".",
        ],
    );
    broken(
        "theme.toml",
        "ink = \"#000000\"",
        "ink = \"#000000\"\ninc = \"#000000\"",
        &["theme.toml line 6: the section [colours] does not know the key \"inc\". Did you mean \"ink\"?"],
    );
}

#[test]
fn a_wrong_type_is_told_with_an_example() {
    menu(
        "max = 2",
        "max = \"2\"",
        "menu/menu.toml line 13: \"max\" of modifier group extras is no whole number from 1 to 99. Write a number without quotes, such as max = 1.",
    );
    menu(
        "max = 2",
        "max = -2",
        "menu/menu.toml line 13: \"max\" of modifier group extras is no whole number from 1 to 99. Write a number without quotes, such as max = 1.",
    );
    menu(
        "included = true",
        "included = 1",
        "menu/menu.toml line 4: \"included\" of tax food is a whole number. Write included = true.",
    );
    menu(
        "[\"bun\"]",
        "7",
        "menu/menu.toml line 38: \"choices\" of a part of combo deal is a whole number. Write choices = [ ... ].",
    );
}

#[test]
fn what_is_not_toml_is_told_with_its_line() {
    let dir = whole();
    put(dir.path(), "menu/menu.toml", MENU.replace("name = { en = \"Bun\" }", "name = \"Bun"));
    let problems = open(dir.path()).unwrap_err();
    assert_eq!((problems.list[0].file.as_str(), problems.list[0].line), ("menu/menu.toml", Some(24)));
    assert!(problems.to_string().contains("this is not TOML"), "{problems}");
    let mut bytes = MENU.as_bytes().to_vec();
    bytes[40] = 0xff;
    put(dir.path(), "menu/menu.toml", bytes);
    let told = "menu/menu.toml line 4: the file holds bytes that are not UTF-8 text. Save it again with the encoding UTF-8.";
    assert!(open(dir.path()).unwrap_err().to_string().contains(told));
}

#[test]
fn a_name_used_twice_tells_where_the_first_is() {
    menu(
        "sku = \"deal\"",
        "sku = \"bun\"",
        "menu/menu.toml line 31: the SKU \"bun\" is used a second time. \
         It is already in menu/menu.toml line 21: give one of them another name.",
    );
    menu(
        "sku = \"cheese\"",
        "sku = \"deal\"",
        "menu/menu.toml line 31: the SKU \"deal\" is used a second time. \
         It is already in menu/menu.toml line 15: give one of them another name.",
    );
    let dir = whole();
    put(dir.path(), "menu/other.toml", "[[category]]\nkey = \"all\"\nname = \"All\"\n");
    assert_eq!(
        open(dir.path()).unwrap_err().to_string(),
        "menu/other.toml line 2: the category \"all\" is used a second time. \
         It is already in menu/menu.toml line 7: give one of them another name."
    );
}

#[test]
fn a_group_must_be_answerable() {
    menu(
        "max = 2",
        "max = 2\nmin = 3",
        "menu/menu.toml line 14: modifier group extras asks for at least 3 but allows 2 at the most. Raise max, or lower min.",
    );
    menu(
        "max = 2",
        "max = 2\nmin = 2",
        "menu/menu.toml line 14: modifier group extras asks for at least 2 but offers only 1. \
         Lower min, or let a choice be taken more than once with its max.",
    );
    menu(
        "price = \"1.20\"",
        "preset = 2",
        "menu/menu.toml line 17: choice cheese presets 2 but allows 1 at the most. Lower preset, or raise max.",
    );
    menu(
        "price = \"1.20\"",
        "preset = 3\nmax = 3",
        "menu/menu.toml line 10: modifier group extras presets 3 but allows 2 at the most. Take a preset out, or raise max.",
    );
    let choice = MENU.split("[[group.choice]]").nth(1).unwrap().split("[[article]]").next().unwrap();
    let dir = whole();
    put(dir.path(), "menu/menu.toml", MENU.replace("[[group.choice]]", "").replace(choice, "min = 1\n\n"));
    assert_eq!(
        open(dir.path()).unwrap_err().to_string(),
        "menu/menu.toml line 10: modifier group extras asks for one but offers no choice. \
         Add [[group.choice]] entries, or take the group out here and in the articles that name it."
    );
}

#[test]
fn a_combo_holds_articles_and_nothing_else() {
    menu(
        "choices = [\"bun\"]",
        "choices = [\"bun\", \"deal\"]",
        "menu/menu.toml line 38: a part of combo deal offers \"deal\", which is itself a combo. \
         Offer its articles one by one: a combo cannot hold another.",
    );
    menu(
        "choices = [\"bun\"]",
        "choices = [\"bun\", \"cheese\"]",
        "menu/menu.toml line 38: a part of combo deal offers \"cheese\", which is a modifier and not sold by itself. \
         Make an [[article]] of it, or take it out here.",
    );
    menu(
        "price = \"3.40\"",
        "variant = [{ sku = \"bun-big\", name = \"Big\", price = \"4\" }]",
        "menu/menu.toml line 38: a part of combo deal offers \"bun\", which comes in sizes. \
         Name the size: the sku of one of its variants.",
    );
    menu(
        "choices = [\"bun\"]",
        "choices = []",
        "menu/menu.toml line 36: a part of combo deal offers no choice. Add choices = [\"fries\", \"side-salad\"].",
    );
}

#[test]
fn a_size_has_the_price_and_the_article_has_none() {
    let dir = whole();
    let sized = "price = \"3.40\"\nvariant = [{ sku = \"bun-big\", name = \"Big\", price = \"4\" }]";
    put(
        dir.path(),
        "menu/menu.toml",
        MENU.replace("price = \"3.40\"", sized).replace("choices = [\"bun\"]", "choices = [\"bun-big\"]"),
    );
    assert_eq!(
        open(dir.path()).unwrap_err().to_string(),
        "menu/menu.toml line 26: article bun has sizes and a price of its own. Take \"price\" out: each size has its own."
    );
}

#[test]
fn allergens_are_the_fourteen_words() {
    menu(
        "contains = [\"gluten\"]",
        "contains = [\"glutn\"]",
        "menu/menu.toml line 28: \"glutn\" is no allergen. Did you mean \"gluten\"?",
    );
    menu(
        "contains = [\"gluten\"]",
        "contains = [\"gluten\"], may_contain = [\"gluten\"]",
        "menu/menu.toml line 28: the allergen gluten is named twice. Leave it in one of contains, may_contain and free.",
    );
    menu(
        "contains = [\"gluten\"], free = \"rest\"",
        "free = \"all\"",
        "menu/menu.toml line 28: \"free\" of article bun is \"all\". Write free = \"rest\", or a list such as [\"nuts\"].",
    );
}

#[test]
fn a_text_is_short_printable_and_in_a_language_of_the_shop() {
    let long = format!("name = {{ en = \"{}\" }}\npicture", "x".repeat(3_000_000));
    menu(
        "name = { en = \"Bun\" }\npicture",
        &long,
        "menu/menu.toml line 24: \"name\" of article bun is 3000000 bytes long; 240 are possible. Shorten it.",
    );
    menu(
        "name = { en = \"Bun\" }\npicture",
        "name = { en = \"B\\u001bun\" }\npicture",
        "menu/menu.toml line 24: \"name\" of article bun holds the invisible character U+001B. \
         Type the text again on one line instead of pasting it.",
    );
    menu(
        "name = { en = \"Bun\" }\npicture",
        "name = { en = \"Bun\", de = \"Brot\" }\npicture",
        "menu/menu.toml line 24: \"name\" of article bun has a text in \"de\", which is no language of the shop. \
         The languages in shop.toml are en: take it out, or add the language there.",
    );
    menu(
        "name = { en = \"Bun\" }\npicture",
        "name = { }\npicture",
        "menu/menu.toml line 24: \"name\" of article bun has no text in \"en\". \
         Add en = \"...\": it is the shop's first language, shown wherever another is missing.",
    );
}

#[test]
fn a_long_sku_is_refused_and_told_short() {
    let dir = whole();
    put(dir.path(), "menu/menu.toml", MENU.replace("sku = \"cheese\"", &format!("sku = \"{}\"", "x".repeat(1_000_000))));
    let told = open(dir.path()).unwrap_err().to_string();
    assert!(told.len() < 400 && told.starts_with("menu/menu.toml line 15: \"sku\" of choice is \"xxx"), "{told}");
}

#[test]
fn a_missing_translation_is_a_warning_and_falls_back() {
    let dir = whole();
    put(dir.path(), "shop.toml", SHOP.replace("[[attract]]", "[[language]]\ntag = \"ru\"\nname = \"Русский\"\n[[attract]]"));
    let all = [("\"Bun\"", "\"Bun\", ru = \"Булка\""), ("\"Extras\"", "\"Extras\", ru = \"Добавки\"")];
    put(dir.path(), "menu/menu.toml", all.iter().fold(MENU.to_owned(), |menu, (from, to)| menu.replace(from, to)));
    let (content, warnings) = open(dir.path()).unwrap();
    assert_eq!(content.menu.catalogue.articles[0].name.get(kiosk_core::Lang(1)), "Булка");
    assert_eq!(content.menu.catalogue.articles[1].name.get(kiosk_core::Lang(1)), "Deal");
    let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 5, "{told:#?}");
    assert_eq!(
        told[2],
        "menu/menu.toml line 34: \"name\" of combo deal has no text in \"ru\". \
         Add ru = \"...\"; until then the text in \"en\" is shown."
    );
}

#[test]
fn silence_about_allergens_is_a_warning_unless_it_is_said_to_be_unknown() {
    let dir = whole();
    let line = "allergens = { contains = [\"gluten\"], free = \"rest\" }";
    put(dir.path(), "menu/menu.toml", MENU.replace(line, ""));
    let (_, warnings) = open(dir.path()).unwrap();
    assert_eq!(warnings.len(), 1);
    assert_eq!(
        (warnings[0].line, warnings[0].what.as_str()),
        (Some(20), "article bun says nothing about allergens: guests see all as unknown.")
    );
    put(dir.path(), "menu/menu.toml", MENU.replace(line, "allergens = \"unknown\""));
    assert_eq!(open(dir.path()).unwrap().1, []);
}

#[test]
fn an_unreadable_pair_of_colours_is_named_with_its_contrast() {
    broken(
        "theme.toml",
        "muted = \"#444444\"",
        "muted = \"#999999\"",
        &[
            "theme.toml line 6: muted #999999 on background #FFFFFF has a contrast of 2.84; at least 4.5 is needed to be read. \
             Make muted darker, or the other lighter.",
            "theme.toml line 6: muted #999999 on surface #FFFFFF has a contrast of 2.84; at least 4.5 is needed to be read. \
             Make muted darker, or the other lighter.",
            "theme.toml line 22: muted #999999 on the tint plain #F0F0F0 has a contrast of 2.50; at least 4.5 is needed to be read. \
             Make muted darker, or the other lighter.",
        ],
    );
    broken(
        "theme.toml",
        "ready = \"#EEEEEE\"",
        "ready = \"#333333\"",
        &["theme.toml line 18: ready #333333 on background #000000 has a contrast of 1.66; at least 4.5 is needed to be read. \
           Make ready lighter, or the other darker."],
    );
    broken(
        "theme.toml",
        "\"#DDDDDD\"\nprimary",
        "\"DDD\"\nprimary",
        &["theme.toml line 7: \"line\" of the section [colours] is \"DDD\", which is no colour. \
           Write a # and six digits 0 to F, such as \"#0E5C52\"."],
    );
}

#[test]
fn the_attract_texts_cover_the_day() {
    broken(
        "shop.toml",
        "until = \"24:00\"",
        "until = \"22:30\"",
        &["shop.toml line 6: no attract text covers 22:30. Let the [[attract]] texts cover the whole day: \
           from = \"00:00\", until = \"24:00\" is one for all of it."],
    );
    broken(
        "shop.toml",
        "from = \"00:00\"",
        "from = \"0:99\"",
        &["shop.toml line 7: \"from\" of attract text is \"0:99\", which is no time of day. \
           Write hours and minutes, such as \"06:00\"."],
    );
    broken(
        "shop.toml",
        "picture = \"bun\"",
        "picture = \"../bun\"",
        &["shop.toml line 11: \"picture\" of attract text is \"../bun\". \
           Use 1 to 64 letters a to z, digits, points, hyphens and underscores, such as \"almond-croissant\"."],
    );
}

#[test]
fn a_broken_picture_is_found_before_a_guest_sees_it() {
    let whole_png = png(64, 64);
    for (bytes, told) in [
        (whole_png[..whole_png.len() / 2].to_vec(), "pictures/bun.png: the picture is broken: "),
        (b"GIF89a".to_vec(), "pictures/bun.png: the picture is broken: "),
        (Vec::new(), "pictures/bun.png: the picture is broken: "),
        (png(3_000, 1), "pictures/bun.png: the picture is 3000 by 1 pixels; 2048 by 2048 are possible. Make it smaller"),
    ] {
        let dir = whole();
        put(dir.path(), "pictures/bun.png", bytes);
        let problems = open(dir.path()).unwrap_err().to_string();
        assert!(problems.contains(told), "{problems}");
        assert!(problems.contains("menu/menu.toml line 25: article bun shows the picture \"bun\""), "{problems}");
    }
}

#[test]
fn a_picture_that_is_not_a_png_or_not_square_is_a_warning() {
    let dir = whole();
    put(dir.path(), "pictures/bun.png", png(8, 4));
    put(dir.path(), "pictures/bun@2x.png", png(16, 16));
    put(dir.path(), "pictures/photo.jpg", "jpeg");
    put(dir.path(), "menu/notes.txt", "buy salt");
    let (content, warnings) = open(dir.path()).unwrap();
    let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "menu/notes.txt: the file is not read, because its name does not end in .toml. Rename it, or move it out of the folder.",
            "pictures/bun.png: the picture is 8 by 4 pixels. Cut it to a square: it is shown in one.",
            "pictures/photo.jpg: the file is not read, because its name does not end in .png. Save it as a PNG.",
        ]
    );
    assert!(content.menu.pictures["bun"].large.is_some());
}

#[test]
fn what_is_missing_altogether_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let problems = open(dir.path()).unwrap_err();
    let files: Vec<&str> = problems.list.iter().map(|p| p.file.as_str()).collect();
    assert_eq!(files, ["shop.toml", "theme.toml"]);
    let dir = whole();
    std::fs::remove_file(dir.path().join("menu/menu.toml")).unwrap();
    let told = open(dir.path()).unwrap_err().to_string();
    assert_eq!(told, "menu: the folder holds no menu. Put at least one file with [[article]] entries there.");
}

#[test]
fn all_problems_are_told_at_once_and_bounded() {
    let dir = whole();
    let many: String = (0..200)
        .map(|n| format!("[[article]]\nsku = \"a{n}\"\ncategory = \"al\"\ntax = \"food\"\nname = \"A\"\nprice = \"1\"\n"))
        .collect();
    put(dir.path(), "menu/many.toml", many);
    let problems = open(dir.path()).unwrap_err();
    assert_eq!((problems.list.len(), problems.more), (50, 150));
    let few = load(dir.path(), &Limits { problems: 3, ..Limits::default() }).unwrap_err();
    assert_eq!((few.list.len(), few.more), (3, 197));
    assert!(few.to_string().ends_with("and 197 more"));
}

/// Pieces of a menu in an order that nobody meant.
fn shuffled() -> impl Strategy<Value = String> {
    let lines: Vec<String> = MENU.lines().map(str::to_owned).collect();
    let odd = [
        "[[group.choice]]",
        "sku = \"bun\"",
        "name = []",
        "price = {}",
        "choices = [{}]",
        "allergens = []",
        "[article]",
        "max = 99999999999",
    ];
    let pool: Vec<String> = lines.into_iter().chain(odd.map(str::to_owned)).collect();
    proptest::collection::vec(proptest::sample::select(pool), 0..40).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_an_answer(file in 0..4usize, bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let dir = whole();
        put(dir.path(), ["shop.toml", "theme.toml", "menu/menu.toml", "pictures/bun.png"][file], bytes);
        prop_assert!(open(dir.path()).is_err() || file < 3);
    }

    #[test]
    fn any_text_is_an_answer(file in 0..3usize, text in "\\PC{0,200}") {
        let dir = whole();
        put(dir.path(), ["shop.toml", "theme.toml", "menu/menu.toml"][file], text);
        let _ = open(dir.path());
    }

    #[test]
    fn any_order_of_lines_is_an_answer(text in shuffled()) {
        let dir = whole();
        put(dir.path(), "menu/menu.toml", &text);
        if let Ok((content, _)) = open(dir.path()) {
            prop_assert_eq!(content.menu.catalogue.check(), Ok(()));
        }
    }

    #[test]
    fn one_changed_byte_is_an_answer(at in 0..MENU.len(), byte in any::<u8>()) {
        let dir = whole();
        let mut bytes = MENU.as_bytes().to_vec();
        bytes[at] = byte;
        put(dir.path(), "menu/menu.toml", bytes);
        match open(dir.path()) {
            Ok((content, _)) => prop_assert_eq!(content.menu.catalogue.check(), Ok(())),
            Err(problems) => prop_assert!(!problems.list.is_empty()),
        }
    }
}

#[test]
fn ways_to_pay_are_read_and_what_is_none_is_told() {
    let pay = |section: &str| {
        let dir = whole();
        put(dir.path(), "shop.toml", format!("{SHOP}\n{section}"));
        open(dir.path())
    };
    let read = pay("[pay]\ncounter = false\ncash = \"0.05\"\ntips = [\"10%\", \"1.50\"]\n[pay.instalments]\nfrom = \"300\"\n\
                    months = [6, 12]\nrate = \"9.9\"\n")
    .unwrap();
    let rules = &read.0.shop.pay;
    assert_eq!((rules.counter, rules.cash_unit), (false, Some(Minor(5))));
    assert_eq!(rules.tips, [Tip::Share(100_000), Tip::Amount(Minor(150))]);
    let plan = rules.instalments.as_ref().unwrap();
    assert_eq!((plan.from, &plan.months[..], plan.rate_ppm, plan.fee), (Minor(30_000), &[6, 12][..], 99_000, Minor::ZERO));
    assert!(pay("").unwrap().0.shop.pay.counter, "nothing needs to be said");
    for (section, why) in [
        ("[pay]\ntips = [\"ten\"]", "\"tips\" of the section [pay] has \"ten\", which is no tip."),
        ("[pay]\ntips = [\"0%\"]", "\"tips\" of the section [pay] has \"0%\", which is no tip."),
        ("[pay]\ncash = \"0\"", "\"cash\" of the section [pay] is nothing."),
        ("[pay]\ntipps = []", "the section [pay] does not know the key \"tipps\". Did you mean \"tips\"?"),
        ("[pay.instalments]\nfrom = \"1\"\nmonths = [1]\nrate = \"1\"", "\"months\" of the section [pay.instalments] is no list"),
    ] {
        let told = pay(section).unwrap_err().to_string();
        assert!(told.contains(why), "{section}: {told}");
    }
}

#[test]
fn taxes_side_by_side_are_named_and_each_says_how_it_is_rounded() {
    let taxes = "[[tax]]\ncode = \"gst\"\nrate = \"5\"\nincluded = false\nrounding = \"line\"\n[[tax]]\ncode = \"qst\"\nrate = \"9.975\"\n\
                 included = false\n[[tax]]\ncode = \"food\"\nof = [\"gst\", \"qst\"]\n";
    let plain = "[[tax]]\ncode = \"food\"\nrate = \"7\"\nincluded = true\n";
    let dir = whole();
    put(dir.path(), "menu/menu.toml", MENU.replacen(plain, taxes, 1));
    let menu = open(dir.path()).unwrap().0.menu.catalogue;
    assert_eq!(menu.taxes.iter().map(|tax| tax.code.as_str()).collect::<Vec<_>>(), ["gst", "qst", "gst+qst"]);
    assert_eq!((menu.taxes[0].rounding, menu.taxes[1].rate_ppm), (TaxRounding::Line, 99_750));
    broken(
        "menu/menu.toml",
        "included = true",
        "included = true\nrounding = \"cent\"",
        &["menu/menu.toml line 5: \"rounding\" of tax food is \"cent\". \
           Write \"order\" (once on the sum of the code), \"line\" or \"piece\", as the law of the place says."],
    );
}
