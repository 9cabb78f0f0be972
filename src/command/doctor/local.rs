//! What is on this side: the image's file system, secrets, the places of records.

use std::path::Path;

use super::{Plan, Seen};
use crate::command::provision::{
    Content, Identity, Stop, can_be_copied, look_at_earlier, not_for_java, password,
    signing_keys_inside, slots,
};
use crate::finding::Finding;
use crate::image::{self, ImageError, ImageRoot, Owner, Slot, Staging};
use crate::outcome::{LookState, Outcome};
use crate::secret_source::SecretSource;

pub fn look(plan: &Plan) -> Seen {
    let mut seen = Seen::default();
    match &plan.root {
        Some(root) => of_image(root, &plan.identities, &mut seen),
        None => seen.look(
            "image",
            "files",
            LookState::NotLookedAt,
            "paths and owners, since no --root is given",
        ),
    }
    passwords(&plan.identities, &mut seen);
    for source in plan
        .identities
        .iter()
        .flat_map(|identity| &identity.candidates)
        .flat_map(|candidate| &candidate.opened.secrets)
    {
        secret(source, &mut seen);
    }
    for identity in &plan.identities {
        record(identity, &mut seen);
    }
    seen
}

/// Every identity by itself first, so that each says what is wrong with it.
fn of_image(path: &Path, identities: &[Identity], seen: &mut Seen) {
    let rehearse = |root: &ImageRoot, identities: &[Identity]| -> Result<usize, Stop> {
        Ok(Staging::rehearse(root, slots(identities)?)?.len())
    };
    let root = match ImageRoot::open(path) {
        Ok(root) => root,
        Err(error) => {
            seen.look("image", "root", LookState::Wrong, "cannot be opened");
            return seen.found(Outcome::Image, vec![error.finding()]);
        }
    };
    seen.found(Outcome::Ok, signing_keys_inside(&root, identities));
    let mut well = true;
    for identity in identities {
        if let Err(stop) = faults(&root, identity) {
            well = false;
            let about = |finding: Finding| finding.about(&identity.name);
            seen.found(stop.outcome, stop.findings.into_iter().map(about).collect());
        }
    }
    match look_at_earlier(&root, identities) {
        Ok(told) => seen.found(Outcome::Ok, told),
        Err(stop) => {
            well = false;
            seen.found(stop.outcome, stop.findings);
        }
    }
    match rehearse(&root, identities) {
        Ok(files) if well => {
            let said = format!(
                "{files} files can be written in {}, records included, and their owners exist",
                path.display()
            );
            seen.look("image", "files", LookState::Fine, said);
        }
        Ok(_) => seen.look(
            "image",
            "files",
            LookState::Wrong,
            "not every file can be written",
        ),
        Err(stop) => {
            seen.look(
                "image",
                "files",
                LookState::Wrong,
                "not every file can be written",
            );
            if well {
                seen.found(stop.outcome, stop.findings);
            }
        }
    }
    interrupted(&root, seen);
}

fn interrupted(root: &ImageRoot, seen: &mut Seen) {
    let (state, said) = match image::to_recover(root) {
        Ok(Some(_)) => (LookState::Fine, "the next provision undoes or completes it"),
        Err(error @ ImageError::Journal { .. }) => {
            seen.found(Outcome::Image, vec![error.finding()]);
            (
                LookState::Wrong,
                "certbake can neither undo nor complete it",
            )
        }
        // What else is in the way has been found in its files.
        Ok(None) | Err(_) => return,
    };
    seen.look(
        "image",
        "journal",
        state,
        format!("holds an interrupted run: {said}"),
    );
}

/// What is wrong with each file of an identity, where a run would name the first; then with those
/// that are well alone.
fn faults(root: &ImageRoot, identity: &Identity) -> Result<(), Stop> {
    let mut sound = Vec::new();
    let mut findings = Vec::new();
    for slot in slots(std::slice::from_ref(identity))? {
        let faults = faults_of(root, &slot);
        if faults.is_empty() {
            sound.push(slot);
        }
        findings.extend(faults);
    }
    if let Err(error) = Staging::rehearse(root, sound) {
        findings.push(error.finding());
    }
    if findings.is_empty() {
        return Ok(());
    }
    Err(Stop::all(Outcome::Image, findings))
}

/// An owner who is not there hides what is wrong with the group, and both what is wrong with the path.
fn faults_of(root: &ImageRoot, slot: &Slot) -> Vec<Finding> {
    let with = |owner: &Owner, group: &Owner| Slot {
        owner: owner.clone(),
        group: group.clone(),
        ..slot.clone()
    };
    let mut findings = Vec::new();
    for slot in [
        slot.clone(),
        with(&Owner::Running, &slot.group),
        with(&Owner::Running, &Owner::Running),
    ] {
        match Staging::rehearse(root, vec![slot]) {
            Ok(_) => break,
            Err(error) => findings.push(error.finding()),
        }
    }
    findings
}

fn passwords(identities: &[Identity], seen: &mut Seen) {
    for identity in identities {
        for placement in &identity.placements {
            let Content::Pkcs12(store) = &placement.content else {
                continue;
            };
            if !store.password.can_be_read_again() {
                unread(&store.password, seen);
                continue;
            }
            let place = format!("{} opens {}", store.password, placement.path);
            match password(store) {
                Ok(password) => {
                    seen.look("secrets", "read", LookState::Fine, place);
                    let warning = not_for_java(store, &password);
                    let about = |finding: Finding| finding.about(&identity.name);
                    seen.found(Outcome::Ok, warning.map(about).into_iter().collect());
                }
                Err(finding) => {
                    let said = format!("{} cannot be used", store.password);
                    seen.look("secrets", "read", LookState::Wrong, said);
                    seen.found(Outcome::Usage, vec![finding.about(&identity.name)]);
                }
            }
        }
    }
}

fn secret(source: &SecretSource, seen: &mut Seen) {
    match source {
        SecretSource::Descriptor(_) => unread(source, seen),
        // The login runs it, and perhaps it gives something that can be used once.
        SecretSource::Command(_) => {
            let said = format!("{source}: it runs when the CA is asked");
            seen.look("secrets", "read", LookState::NotLookedAt, said);
        }
        SecretSource::Environment(_) | SecretSource::File(_) => match source.read() {
            Ok(_) => seen.look(
                "secrets",
                "read",
                LookState::Fine,
                format!("{source} can be read"),
            ),
            Err(error) => {
                let said = format!("{source} cannot be used");
                seen.look("secrets", "read", LookState::Wrong, said);
                seen.found(Outcome::Usage, vec![error.finding()]);
            }
        },
    }
}

fn unread(source: &SecretSource, seen: &mut Seen) {
    let said = format!("{source}: a descriptor can be read only once");
    seen.look("secrets", "read", LookState::NotLookedAt, said);
}

/// The copy outside the image: its directory, or the nearest above it that is there.
fn record(identity: &Identity, seen: &mut Seen) {
    let Some(file) = &identity.record else {
        return;
    };
    let what = file.display();
    match can_be_copied(identity) {
        Ok(()) => seen.look(
            &identity.name,
            "record",
            LookState::Fine,
            format!("its record can be written to {what}"),
        ),
        Err(finding) => {
            let said = format!("its record cannot be written to {what}");
            seen.look(&identity.name, "record", LookState::Wrong, said);
            seen.found(Outcome::Usage, vec![finding]);
        }
    }
}
