//! The HTML in a headless browser: nothing is loaded, nothing complains, charts are drawn, zoom works, everything can be read.

use lmbench_testing::Need;
use serde_json::Value;

use crate::devtools::Browser;
use crate::reported;

const HOSTILE: &str =
    "</script><script>window.hit = 1</script><img src=x onerror='window.hit = 2'>";

fn browser() -> Option<Browser> {
    lmbench_testing::available(&[Need::Browser])
        .then(Browser::start)
        .flatten()
}

/// What the page complained about, and what it asked for beside itself.
fn complaints(browser: &Browser) -> Vec<&Value> {
    let bad = |event: &&Value| match event["method"].as_str().unwrap_or("") {
        "Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Log.entryAdded" => true,
        "Network.requestWillBeSent" => {
            let url = event["params"]["request"]["url"].as_str().unwrap_or("");
            !url.ends_with("/report.html") && !url.starts_with("data:") && !url.starts_with("blob:")
        }
        _ => false,
    };
    browser.events.iter().filter(bad).collect()
}

#[test]
fn a_report_draws_its_charts_and_asks_for_nothing() {
    let Some(mut browser) = browser() else { return };
    let (_folder, file) = reported(HOSTILE);
    browser.resize(1280);
    browser.open(&file);
    assert_eq!(
        browser.evaluate("window.hit === undefined"),
        true,
        "the scenario's name was executed"
    );
    for (what, at_least) in [
        ("svg.strip path.dots", 8),
        ("svg.bar rect", 8),
        ("svg.plot path.curve", 8),
        ("table.heat td.n", 8),
        ("table.diff circle", 4),
        (".answers li", 3),
    ] {
        let found = browser.evaluate(&format!("[...document.querySelectorAll({what:?})].filter(e => e.getBoundingClientRect().width >= 0).length"));
        assert!(found.as_u64() >= Some(at_least), "{what}: {found}");
    }
    // A curve that is drawn covers most of its plot's width.
    let widths =
        "[...document.querySelectorAll('details[open] path.curve')].map(e => e.getBBox().width)";
    let widths = browser.evaluate(&format!("Math.max(...{widths})"));
    assert!(widths.as_f64() > Some(60_000.0), "{widths}");
    assert!(
        complaints(&browser).is_empty(),
        "{:#?}",
        complaints(&browser)
    );
}

#[test]
fn numbers_of_an_axis_stand_apart() {
    let Some(mut browser) = browser() else { return };
    let (_folder, file) = reported("made-up");
    for width in [1280, 1000, 800, 375] {
        browser.resize(width);
        browser.open(&file);
        let touching = browser.evaluate(
            "[...document.querySelectorAll('.picture .ticks')].flatMap(ticks => {
                const shown = [...ticks.querySelectorAll('text')].map(e => e.getBoundingClientRect()).filter(box => box.width > 0);
                return shown.filter((box, index) => index > 0 && box.left < shown[index - 1].right);
            }).length",
        );
        assert_eq!(touching, 0, "{width}");
    }
}

#[test]
fn time_lines_zoom_by_mouse_keyboard_and_button() {
    let Some(mut browser) = browser() else { return };
    let (_folder, file) = reported("made-up");
    browser.resize(1280);
    browser.open(&file);
    let plot = "document.querySelector('details[open] svg.plot')";
    browser.evaluate(&format!("{plot}.scrollIntoView({{ block: 'center' }})"));
    let shown = |browser: &mut Browser| {
        let view = browser.evaluate(&format!(
            "{plot}.querySelector('.z').getAttribute('viewBox')"
        ));
        let view: Vec<f64> = view
            .as_str()
            .unwrap()
            .split(' ')
            .map(|part| part.parse().unwrap())
            .collect();
        (view[0], view[2])
    };
    assert_eq!(shown(&mut browser), (0.0, 100_000.0));
    let place = browser.evaluate(&format!("(({{ left, top, width, height }}) => [left, top + height / 2, width])({plot}.getBoundingClientRect())"));
    let [left, y, width] = [0, 1, 2].map(|index| place[index].as_f64().unwrap());
    browser.mouse("mousePressed", left + width * 0.25, y);
    browser.mouse("mouseMoved", left + width * 0.5, y);
    browser.mouse("mouseReleased", left + width * 0.5, y);
    let (from, wide) = shown(&mut browser);
    assert!(
        (from - 25_000.0).abs() < 500.0 && (wide - 25_000.0).abs() < 500.0,
        "{from} {wide}"
    );
    // What the cursor reads stands at its curve, and not in a sentence.
    let now = browser.evaluate("document.querySelector('details[open] .now').textContent");
    assert!(now.as_str().unwrap().ends_with("bit/s"), "{now}");
    browser.evaluate("document.querySelector('details[open] figure').focus()");
    browser.key("-");
    assert!((shown(&mut browser).1 - 50_000.0).abs() < 1000.0);
    browser.key("0");
    assert_eq!(shown(&mut browser), (0.0, 100_000.0));
    browser.evaluate(
        "[...document.querySelectorAll('details[open] figure > .bar button')].at(-1).click()",
    );
    let (from, wide) = shown(&mut browser);
    assert!(
        wide < 30_000.0 && from > 50_000.0,
        "the switch-over: {from} {wide}"
    );
    assert!(
        complaints(&browser).is_empty(),
        "{:#?}",
        complaints(&browser)
    );
}

#[test]
fn the_data_is_a_table_and_a_download() {
    let Some(mut browser) = browser() else { return };
    let (_folder, file) = reported(HOSTILE);
    browser.open(&file);
    // What a click would save is caught on its way.
    browser.evaluate("window.saved = []; URL.createObjectURL = (blob) => { window.saved.push(blob); return 'blob:null/x'; }; HTMLAnchorElement.prototype.click = function () { window.saved.push(this.download); }; 0");
    browser.evaluate("document.querySelectorAll('.tools').forEach(t => t.querySelectorAll('button').forEach(b => b.click()))");
    let rows = browser.evaluate("document.querySelectorAll('.table tbody tr').length");
    assert!(rows.as_u64() > Some(100), "{rows}");
    let files =
        browser.evaluate("Promise.all(window.saved.map(s => s instanceof Blob ? s.text() : s))");
    let files = files.as_array().unwrap();
    assert!(files.len() >= 10, "{files:?}");
    let repeats = files
        .iter()
        .filter_map(Value::as_str)
        .find(|text| text.starts_with("run,cell,repeat,outcome"));
    assert_eq!(
        repeats.unwrap().trim_end().split("\r\n").count(),
        33,
        "the head and 32 repeats"
    );
    assert!(
        complaints(&browser).is_empty(),
        "{:#?}",
        complaints(&browser)
    );
}

#[test]
fn the_first_screen_says_what_was_asked_and_shows_what_it_came_to() {
    let Some(mut browser) = browser() else { return };
    let (_folder, file) = reported("made-up");
    browser.resize(1280);
    browser.open(&file);
    let top = browser.evaluate("document.querySelector('.top').innerText");
    for fact in [
        "20260301-120000-made-up-1f3c",
        "2026-03-01 12:00:00 UTC",
        "a to b",
        "carrier tls, quic",
    ] {
        assert!(top.as_str().unwrap().contains(fact), "{fact}: {top}");
    }
    let bottom =
        browser.evaluate("document.querySelector('#picture').getBoundingClientRect().bottom");
    assert!(bottom.as_f64() < Some(900.0), "{bottom}");
    // A bar that is twice as long stands for twice as much: they begin at zero.
    let bars = browser.evaluate("[...document.querySelectorAll('#picture .row:not(.names)')].map(r => { const m = r.querySelector('.measure'); return [m.querySelector('rect').getBoundingClientRect().width, parseFloat(m.querySelector('.value').textContent)]; })");
    let bars = bars.as_array().unwrap();
    assert_eq!(bars.len(), 4);
    let scale = |bar: &Value| bar[0].as_f64().unwrap() / bar[1].as_f64().unwrap();
    assert!(
        bars.iter()
            .all(|bar| (scale(bar) / scale(&bars[0]) - 1.0).abs() < 0.02),
        "{bars:?}"
    );
    let last = browser.evaluate("[...document.querySelectorAll('section')].at(-1).id");
    assert_eq!(last, "definitions");
}

#[test]
fn curves_have_numbers_beside_them_from_zero() {
    let Some(mut browser) = browser() else { return };
    let (_folder, file) = reported("made-up");
    browser.resize(1280);
    browser.open(&file);
    let panels = browser.evaluate("[...document.querySelectorAll('details[open] .panel')].filter(p => p.querySelector('.curve')).map(p => [p.querySelector('.scale') !== null, ...[...p.querySelectorAll('.heights text')].map(t => t.textContent)])");
    let panels = panels.as_array().unwrap();
    assert!(panels.len() >= 3, "{panels:?}");
    for panel in panels.iter().map(|panel| panel.as_array().unwrap()) {
        assert!(panel.len() >= 3, "two numbers at least: {panel:?}");
        assert!(panel[0] == true || panel[1] == "0", "{panel:?}");
    }
}

#[test]
fn nothing_is_cut_at_1280_and_paper_has_all_of_it() {
    let Some(mut browser) = browser() else { return };
    let (_folder, file) = reported("made-up");
    browser.resize(1280);
    browser.open(&file);
    let cut = browser.evaluate("[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth).map(e => [e.getAttribute('aria-label'), e.scrollWidth, e.clientWidth])");
    assert_eq!(cut, Value::Array(vec![]));
    browser.print();
    let closed = "[...document.querySelectorAll('details.tl figure')].filter(f => f.getBoundingClientRect().height < 100).length";
    assert_eq!(browser.evaluate(closed), 0, "time lines that paper lacks");
    let opened = browser.evaluate("dispatchEvent(new Event('beforeprint')); document.querySelectorAll('details:not([open])').length");
    assert_eq!(opened, 0);
    let before = browser.evaluate("dispatchEvent(new Event('afterprint')); document.querySelectorAll('details.tl[open]').length");
    assert_eq!(before, 1);
}

#[test]
fn everything_can_be_read_in_light_and_dark_wide_and_narrow() {
    let Some(mut browser) = browser() else { return };
    let (_folder, file) = reported("made-up");
    browser.open(&file);
    browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)");
    for scheme in ["light", "dark"] {
        browser.prefer(scheme);
        for width in [1280, 400] {
            browser.resize(width);
            let beyond = browser.evaluate("document.documentElement.scrollWidth - innerWidth");
            assert!(
                beyond.as_i64() <= Some(0),
                "{beyond} pixels too wide at {width}"
            );
            let faint = browser.evaluate(FAINT);
            assert_eq!(
                faint,
                Value::Array(vec![]),
                "{scheme}, {width}: contrast below 4.5"
            );
        }
    }
    // Everything that can be pressed has a name, and every picture has words.
    let unnamed = browser.evaluate("[...document.querySelectorAll('button, a, [role=img]')].filter(e => !(e.getAttribute('aria-label') || e.textContent.trim())).length");
    assert_eq!(unnamed, 0);
}

/// Texts whose contrast with what is behind them is below 4.5, the bound of WCAG 2 AA.
const FAINT: &str = r"(() => {
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const rgba = (color) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const light = ([r, g, b]) => {
        const part = (c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
        return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
    };
    const behind = (element) => {
        for (let e = element; e; e = e.parentElement) {
            const color = rgba(getComputedStyle(e).backgroundColor);
            if (color[3] === 255) return color;
        }
        return rgba('Canvas');
    };
    const faint = new Set();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || element.closest('script, noscript') || !element.getClientRects().length) continue;
        const style = getComputedStyle(element);
        let [r, g, b] = rgba(element instanceof SVGElement ? style.fill : style.color);
        const back = behind(element), opacity = Number(style.opacity);
        [r, g, b] = [r, g, b].map((c, i) => c * opacity + back[i] * (1 - opacity));
        const [a, c] = [light([r, g, b]), light(back)].sort((x, y) => y - x);
        const contrast = (a + 0.05) / (c + 0.05);
        if (contrast < 4.5) faint.add(`${element.tagName}.${element.getAttribute('class')}: ${contrast.toFixed(2)}`);
    }
    return [...faint];
})()";
