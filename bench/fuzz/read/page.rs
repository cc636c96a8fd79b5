//! What must hold of a report's page, whatever stands in the record.

/// Fails unless the only script that a browser executes is the report's own; the others are data.
pub(crate) fn runs_one_script(page: &str) {
    let data = page
        .matches("<script type=\"application/json\" id=\"")
        .count();
    assert_eq!(
        page.matches("<script").count(),
        data + 1,
        "one script is executed, ours"
    );
}
