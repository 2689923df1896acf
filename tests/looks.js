// What a reader of the part of a page below `root` would stumble over, a line for each finding.
({ root, least, smallest }) => {
  const top = document.querySelector(root), found = [];
  if (!top) return [`missing: nothing on the page is ${root}`];
  const remembered = (make) => {
    const known = new Map();
    return (e) => known.get(e) ?? known.set(e, make(e)).get(e);
  };
  const style = remembered((e) => {
    const s = getComputedStyle(e);
    return {
      display: s.display, position: s.position, overflowX: s.overflowX, overflowY: s.overflowY, opacity: Number(s.opacity),
      color: s.color, backgroundColor: s.backgroundColor, backgroundImage: s.backgroundImage,
      fill: s.fill, fillOpacity: Number(s.fillOpacity),
    };
  });
  const is = (e, ...names) => names.includes(e.tagName.toLowerCase());
  const drawn = (e) => e instanceof SVGElement && !is(e, "svg");
  const said = (e) => (e.textContent || e.value || e.placeholder || e.alt || "").trim().replace(/\s+/g, " ");
  const name = (e) => `${e.tagName.toLowerCase()}${e.id && `#${e.id}`}${[...e.classList].map((c) => `.${c}`).join("")}`;
  const tell = (kind, e, more = "") => found.push(`${kind}: ${name(e)} “${said(e).slice(0, 60)}”${more}`);

  // Drawings that are pictures are looked at as drawings of the page; at the end they are pictures again.
  const pictures = [...top.querySelectorAll("img[src^='data:image/svg+xml;base64,']")].map((picture) => {
    const bytes = Uint8Array.from(atob(picture.src.split(",")[1]), (one) => one.charCodeAt(0));
    const svg = new DOMParser().parseFromString(new TextDecoder().decode(bytes), "image/svg+xml").documentElement;
    Object.assign(svg.style, { width: `${picture.width}px`, height: `${picture.height}px` });
    picture.replaceWith(svg);
    return [picture, svg];
  });

  // What a drawing shows again (<use>) is looked at as if it stood there: a copy takes its place until the end.
  const uses = [...top.querySelectorAll("use")].map((use) => {
    const id = (use.getAttribute("href") || use.getAttribute("xlink:href") || "").slice(1);
    const shown = id && document.getElementById(id);
    if (!shown) {
      tell("missing", use, ` shows ${id || "nothing"}, which is not on the page`);
      return null;
    }
    const copy = document.createElementNS("http://www.w3.org/2000/svg", "g");
    const [x, y] = ["x", "y"].map((side) => use.getAttribute(side) || 0);
    for (const { name, value } of use.attributes) {
      if (!["href", "xlink:href", "x", "y", "width", "height"].includes(name)) copy.setAttribute(name, value);
    }
    copy.setAttribute("transform", `${use.getAttribute("transform") || ""} translate(${x} ${y})`);
    copy.append(...(is(shown, "symbol") ? [...shown.cloneNode(true).childNodes] : [shown.cloneNode(true)]));
    use.replaceWith(copy);
    return [use, copy];
  }).filter(Boolean);

  // ---- which texts are seen, and where

  const visible = (e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  const box = remembered((e) => e.getBoundingClientRect());
  const cuts = (value) => value === "hidden" || value === "clip";
  const above = (e) => style(e).position === "fixed" ? null
    : style(e).position === "absolute" && e.offsetParent ? e.offsetParent.parentElement : e.parentElement;
  // What is left of a rectangle inside the boxes that cut off or scroll what is larger than they are.
  const limits = remembered((e) => {
    if (!e || e === document.body) return [-Infinity, -Infinity, Infinity, Infinity];
    let [left, upper, right, lower] = limits(e.parentElement);
    const s = style(e), inner = box(e);
    if (s.display === "inline" || s.display === "contents" || drawn(e)) return [left, upper, right, lower];
    if (s.overflowX !== "visible") [left, right] = [Math.max(left, inner.left), Math.min(right, inner.right)];
    if (s.overflowY !== "visible") [upper, lower] = [Math.max(upper, inner.top), Math.min(lower, inner.bottom)];
    return [left, upper, right, lower];
  });
  const seen = (e, r) => {
    const [left, upper, right, lower] = limits(e);
    const [x, y, w, h] = [Math.max(r.left, left), Math.max(r.top, upper), Math.min(r.right, right), Math.min(r.bottom, lower)];
    return w - x > 1 && h - y > 1 ? new DOMRect(x, y, w - x, h - y) : null;
  };
  const rectangles = (node) => {
    const range = document.createRange();
    range.selectNodeContents(node);
    return [...range.getClientRects()].filter((r) => r.width > 1 && r.height > 1);
  };
  const texts = [], walk = document.createTreeWalker(top, NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const e = node.parentElement;
    if (!node.data.trim() || is(e, "script", "style", "title", "desc", "option") || !visible(e) || e.closest("defs")) continue;
    const at = rectangles(node);
    if (at.length) texts.push({ e, at });
  }
  const elements = [top, ...top.querySelectorAll("*")].filter(visible);
  const fields = elements.filter((e) => is(e, "input", "textarea") && (e.value || e.placeholder));
  texts.push(...fields.filter((e) => !["checkbox", "radio"].includes(e.type)).map((e) => ({ e, at: [box(e)] })));

  // ---- width

  const page = document.documentElement;
  if (page.scrollWidth > page.clientWidth)
    found.push(`scrolls: the page is ${page.scrollWidth} px wide in a window of ${page.clientWidth} px`);
  for (const e of elements) {
    const s = style(e), [w, h] = [e.clientWidth, e.clientHeight];
    if (w <= 1 || h <= 1 || drawn(e) || is(e, "html", "body", "svg", "select")) continue;
    const wide = e.scrollWidth > w + 1, sizes = ` is ${e.scrollWidth} px wide in ${w} px`;
    if (wide && (cuts(s.overflowX) || is(e, "input", "textarea"))) tell("cut off", e, sizes);
    else if (wide && s.overflowX !== "visible") tell("scrolls", e, sizes);
    if (e.scrollHeight > h + 1 && cuts(s.overflowY)) tell("cut off", e, ` is ${e.scrollHeight} px high in ${h} px`);
  }
  for (const { e, at } of texts) {
    const right = Math.max(...at.map((r) => r.right)), left = Math.min(...at.map((r) => r.left));
    if (drawn(e)) {
      const r = box(e), frame = box(e.ownerSVGElement);
      if (r.left < frame.left - 1 || r.right > frame.right + 1 || r.top < frame.top - 1 || r.bottom > frame.bottom + 1)
        tell("cut off", e, " is larger than its drawing");
      continue;
    }
    for (let b = e; b && b !== page; b = above(b)) {
      const s = style(b), outer = box(b);
      if (s.display === "inline" || s.display === "contents") continue;
      if (right > outer.right + 1 || left < outer.left - 1) {
        if (s.overflowX === "visible") tell("sticks out", e, ` of ${name(b)}, ${Math.round(right - outer.right)} px`);
        break;
      }
    }
  }

  // ---- colours

  const canvas = document.createElement("i");
  canvas.style.backgroundColor = "Canvas";
  document.body.append(canvas);
  const paper = style(canvas).backgroundColor;
  canvas.remove();
  const rgba = (colour) => {
    const [r, g, b, a = 1] = (colour.match(/[\d.]+(e-?\d+)?/g) || [0, 0, 0, 0]).map(Number);
    if (!/^(rgba?|color\(srgb)/.test(colour)) found.push(`unknown: the colour ${colour}`);
    const scale = colour.startsWith("color(") ? 255 : 1;
    return [r * scale, g * scale, b * scale, a];
  };
  const over = (upper, lower) => [0, 1, 2].map((i) => upper[i] * upper[3] + lower[i] * (1 - upper[3])).concat(1);
  const fade = remembered((e) => e ? style(e).opacity * fade(e.parentElement) : 1);
  const faded = (colour, e, share = 1) => [...colour.slice(0, 3), colour[3] * fade(e) * share];
  const paint = remembered((e) => {
    const s = style(e);
    if (drawn(e)) return s.fill === "none" ? [0, 0, 0, 0] : faded(rgba(s.fill), e, s.fillOpacity);
    return faded(rgba(s.backgroundColor), e);
  });
  const light = (colour) => [0.2126, 0.7152, 0.0722].reduce((sum, weight, i) => {
    const part = colour[i] / 255;
    return sum + weight * (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  }, 0.05);
  const contrast = (ink, ground) => {
    const [a, b] = [light(over(ink, ground)), light(ground)];
    return Math.max(a, b) / Math.min(a, b);
  };
  // What stays in its place while a page is scrolled lies on texts on purpose.
  const resting = remembered((e) => !e || (!["fixed", "sticky"].includes(style(e).position) && resting(e.parentElement)));
  // All that lies at a text's place, the text's element first; what hides it is told.
  const layers = (e, r) => {
    const stack = document.elementsFromPoint(r.left + r.width / 2, r.top + r.height / 2);
    const place = stack.findIndex((one) => one === e || e.contains(one));
    if (place >= 0) {
      const upper = stack.slice(0, place).filter(resting).find((one) => paint(one)[3] > 0.2 || is(one, "img", "canvas", "video"));
      if (upper && !upper.contains(e)) tell("covered", e, ` by ${name(upper)}`);
      return stack.slice(place);
    }
    const parents = [];
    for (let b = e; b; b = b.parentElement) parents.push(b);
    return parents;
  };
  const ground = (e, r) => {
    const below = layers(e, r).filter((one) => !drawn(one) || !is(one, "text", "tspan", "g"));
    const picture = below.find((one) => style(one).backgroundImage !== "none" || paint(one)[3] === 1);
    if (picture && style(picture).backgroundImage !== "none" && top.contains(picture)) tell("unknown", e, ` lies on the picture of ${name(picture)}`);
    return below.reduceRight((lower, one) => over(paint(one), lower), rgba(paper));
  };
  const judge = (e, ink, at, what = "") => {
    const share = contrast(ink, at);
    if (share < least) tell("faint", e, `${what} has a contrast of ${share.toFixed(2)}`);
  };
  const judged = new Set();
  for (const { e, at } of texts) {
    const place = at.map((r) => seen(e, r)).find(Boolean);
    if (!place || judged.has(e)) continue;
    judged.add(e);
    const s = style(e), behind = ground(e, place);
    const size = parseFloat(getComputedStyle(e).fontSize) * (drawn(e) ? e.getScreenCTM().a : 1);
    if (size < smallest) tell("tiny", e, ` is written with ${size.toFixed(1)} px`);
    const empty = is(e, "input", "textarea") && !e.value;
    const ink = drawn(e) ? s.fill : empty ? getComputedStyle(e, "::placeholder").color : s.color;
    judge(e, faded(rgba(ink), e, drawn(e) ? s.fillOpacity : 1), behind);
    for (const pseudo of ["::before", "::after"]) {
      const marked = getComputedStyle(e, pseudo), content = marked.content.replace(/^"|"$/g, "").trim();
      if (["", "none", "normal"].includes(content) || /^(url|counter|attr)/.test(content)) continue;
      judge(e, faded(rgba(marked.color), e), behind, `, “${content}” before or after it`);
    }
  }

  // ---- texts on each other, and pictures

  const boxes = texts.filter(({ e }) => resting(e))
    .flatMap(({ e, at }) => at.map((r) => [e, drawn(e) ? r : seen(e, r)]).filter(([, r]) => r))
    .sort(([, a], [, b]) => a.top - b.top);
  let open = [];
  for (const [e, r] of boxes) {
    open = open.filter(([, other]) => other.bottom > r.top);
    for (const [f, other] of open) {
      const high = Math.min(r.bottom, other.bottom) - r.top, wide = Math.min(r.right, other.right) - Math.max(r.left, other.left);
      if (f !== e && wide > 1 && high > 0.35 * Math.min(r.height, other.height)) tell("overlaps", e, ` lies on “${said(f).slice(0, 40)}”`);
    }
    open.push([e, r]);
  }
  for (const e of elements.filter((one) => is(one, "img"))) {
    if (e.complete && !e.naturalWidth) tell("missing", e, " is a picture that does not load");
  }
  for (const [use, copy] of uses) copy.replaceWith(use);
  for (const [picture, svg] of pictures) svg.replaceWith(picture);
  return [...new Set(found)];
}
