use super::{Browser, Watch, deliver_some, wait_for_rows};

/// The texts whose contrast with what is behind them is below 4.5, as WCAG's level AA asks for.
const FAINT: &str = "
    const parse = (color) => {
      const numbers = color.match(/[\\d.]+/g).map(Number);
      const [red, green, blue, alpha = 1] = numbers;
      const unit = color.startsWith('rgb') ? 255 : 1;
      return { channels: [red, green, blue].map((channel) => channel / unit), alpha };
    };
    const luminance = (channels) => {
      const [red, green, blue] = channels.map((one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const behind = (element) => {
      for (let at = element; at; at = at.parentElement) {
        const color = parse(getComputedStyle(at).backgroundColor);
        if (color.alpha === 1) return color.channels;
      }
      throw new Error('nothing is behind it');
    };
    const texts = [...document.querySelectorAll('body *')].filter((element) =>
      element.checkVisibility() && [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
    if (texts.length < 50) throw new Error('few texts');
    return texts.map((element) => {
      const [one, other] = [parse(getComputedStyle(element).color).channels, behind(element)].map(luminance);
      return [element.outerHTML.slice(0, 80), (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)];
    }).filter(([, contrast]) => contrast < 4.5);";

/// What can be used, and has no name for a screen reader.
const NAMELESS: &str = "
    return [...document.querySelectorAll('button, input, summary, ol, [role], dialog')].filter((element) => {
      const labels = [...element.labels ?? []].map((label) => label.textContent).join('');
      const heading = document.getElementById(element.getAttribute('aria-labelledby'))?.textContent;
      const isList = element.matches('.thread ol, #filter, [role=status]');
      return !isList && !(element.ariaLabel || labels.trim() || heading || element.textContent.trim());
    }).map((element) => element.outerHTML.slice(0, 80));";

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run has them"]
fn the_page_can_be_read_and_fits_in_each_width_and_scheme() {
    let watch = Watch::start(&[]);
    deliver_some(&watch);
    for is_dark in [false, true] {
        let browser = Browser::open(&watch.page, is_dark);
        wait_for_rows(&browser, 7);
        browser
            .run("for (const details of document.querySelectorAll('details')) details.open = true");
        browser.wait("document.querySelectorAll('.body').length === 7");
        for width in [1280, 420] {
            browser.picture(&format!("open-{is_dark}-{width}"), width, 2400);
            browser.wait(&format!("innerWidth === {width}"));
            let scrolled = browser.run("return document.documentElement.scrollWidth");
            assert!(scrolled.as_u64() <= Some(width.into()), "{scrolled}");
            let faint = browser.run(FAINT);
            assert_eq!(faint.as_array().map(Vec::len), Some(0), "{faint:#}");
            let nameless = browser.run(NAMELESS);
            assert_eq!(nameless.as_array().map(Vec::len), Some(0), "{nameless:#}");
        }
    }
}
