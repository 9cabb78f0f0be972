//! Through the binary, as a build runs it.

use std::process::Command;

use certbake::pki::pem;

use crate::support::contract::CANARY;
use crate::workshop::{ASK, Workshop, pem_of};

fn provision(shop: &Workshop, more: &str) -> std::process::Output {
    std::fs::create_dir_all(shop.path("rootfs")).unwrap();
    std::fs::write(shop.path("root.pem"), pem_of(&[shop.lab.root()])).unwrap();
    let config = format!(
        "[ca.lab]\nkind = 'exec'\ncommand = ['./sign']\nanchors = 'root.pem'\n{more}\n\
         [identity.app]\ncommon_name = 'app'\ndns = ['app.internal']\nttl = '24h'\n\
         min_validity = '12h'\n[identity.app.placements]\n\
         full_chain = '/tls.crt'\nprivate_key = '/tls.key'\n"
    );
    std::fs::write(shop.path("certbake.toml"), config).unwrap();
    Command::new(env!("CARGO_BIN_EXE_certbake"))
        .args(["provision", "--config"])
        .arg(shop.path("certbake.toml"))
        .args(["--root"])
        .arg(shop.path("rootfs"))
        .env("BUILD_TOKEN", CANARY)
        .output()
        .unwrap()
}

fn printed(output: &std::process::Output) -> String {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8(text).unwrap()
}

#[test]
fn a_certificate_from_a_program_lands_in_the_image() {
    let shop = Workshop::new(ASK);
    let output = provision(&shop, "");
    assert!(output.status.success(), "{}", printed(&output));
    let chain = pem::certificates(shop.read("rootfs/tls.crt").as_bytes()).unwrap();
    assert_eq!(chain[1], shop.lab.issuing());
}

#[test]
fn each_ending_has_its_exit_code_and_nothing_is_written() {
    for (script, code, words) in [
        ("echo no quota left >&2; exit 1", 5, "no quota left"),
        ("kill -9 $$", 6, "SIGKILL"),
        ("exit 9", 4, "exit status 9"),
        ("echo hello", 4, "standard output"),
        (
            "echo \"bad token $TOKEN\" >&2; exit 1",
            5,
            "bad token [withheld]",
        ),
    ] {
        let shop = Workshop::new(script);
        let output = provision(&shop, "env.TOKEN = { secret = 'env:BUILD_TOKEN' }");
        let printed = printed(&output);
        assert_eq!(output.status.code(), Some(code), "{script}: {printed}");
        assert!(printed.contains(words), "{script}: {printed}");
        assert!(!printed.contains(CANARY), "{printed}");
        let landed = std::fs::read_dir(shop.path("rootfs")).unwrap().count();
        assert_eq!(landed, 0, "{script}");
    }
}

#[test]
fn wrong_settings_are_told_with_file_line_and_key() {
    let shop = Workshop::new(ASK);
    let output = provision(&shop, "env.TOKEN = 'env:BUILD_TOKEN'");
    let printed = printed(&output);
    assert_eq!(output.status.code(), Some(2), "{printed}");
    assert!(printed.contains("certbake.toml:5"), "{printed}");
    assert!(printed.contains("env.TOKEN"), "{printed}");
}
