// Sliders, typed values, and what can be taken along: a program, an address.
// One question is on its way at a time; the next is about where the sliders stand by then.  The page's address holds what
// differs from the defaults; it is read when the page is opened, and when somebody changes it.
let opened = true;
// "1,000" and "1 000" are a thousand, "0,5" is a half; NaN for what is no number.
const number = (text) => {
  const bare = text.replace(/[\s\u00a0\u202f]/g, "");
  return bare === "" ? NaN : Number(/^-?[1-9]\d{0,2}(,\d{3})+(\.\d*)?$/.test(bare) ? bare.replaceAll(",", "") : bare.replace(",", "."));
};
const inAddress = (values) => {
  const said = [...new URLSearchParams(location.hash.slice(1))].map(([k, v]) => [k, number(v)]);
  return Object.fromEntries(said.filter(([k, v]) => k in values && Number.isFinite(v)));
};
function render({ model, el }) {
  const positions = {}, whole = {}, defaults = model.get("defaults");
  let values = { ...model.get("values") }, waits = false, moved = false, later;
  const slider = ([name, text, steps, round]) => {
    [positions[name], whole[name]] = [steps, round];
    return `<div class=slider><label for=${name}>${text}</label>
      <input type=text inputmode=decimal aria-label="${text}, typed" data-name=${name} spellcheck=false autocomplete=off>
      <input type=range id=${name} max=${steps.length - 1}></div>`;
  };
  el.innerHTML = `<div class=tools><button class=reset title="All sliders to the paper's values">Reset</button>
    <button class=copy title="The model under the sliders as a program">Copy as Python</button>
    <button class=link title="The address of this page holds where the sliders stand">Copy link</button></div>
    <p class=told role=status></p>` +
    model.get("groups").map(([title, members]) =>
      `<fieldset><legend>${title}</legend>${members.map(slider).join("")}</fieldset>`).join("");
  const ranges = [...el.querySelectorAll("[type=range]")], typed = [...el.querySelectorAll("[type=text]")];
  const nearest = (steps, value) => {
    const distance = value > 0 && steps[0] >= 0 ? (x) => Math.abs(Math.log((x || 1e-9) / value)) : (x) => Math.abs(x - value);
    return steps.reduce((best, x, k) => (distance(x) < distance(steps[best]) ? k : best), 0);
  };
  const address = () => {
    const changed = Object.entries(values).filter(([k, v]) => v !== defaults[k]).map(([k, v]) => [k, +v.toPrecision(12)]);
    const hash = new URLSearchParams(changed).toString();
    return location.pathname + location.search + (hash && "#" + hash);
  };
  const tell = () => {
    for (const range of ranges) range.ariaValueText = values[range.id];
    for (const box of typed) if (box !== el.getRootNode().activeElement) box.value = +values[box.dataset.name].toPrecision(4);
    // A browser takes so many changes of address a second and no more.
    clearTimeout(later);
    later = setTimeout(() => history.replaceState(history.state, "", address()), 300);
  };
  const ask = () => {
    [waits, moved] = [true, false];
    model.set("values", { ...values });
    model.set("asked", performance.now());
    model.save_changes();
  };
  const change = (changed) => { Object.assign(values, changed); place(); moved = true; if (!waits) ask(); };
  const answered = () => { waits = false; if (moved) ask(); };
  const place = () => {
    for (const range of ranges) range.value = nearest(positions[range.id], values[range.id]);
    tell();
  };
  const told = () => { if (!moved) { values = { ...model.get("values") }; place(); } };
  // What a slider can be; where that is another number than was asked for, it is said.
  const fitted = (asked) => {
    const lines = [], found = {};
    for (const [name, value] of Object.entries(asked)) {
      const steps = positions[name], inside = Math.min(Math.max(value, steps[0]), steps.at(-1));
      found[name] = whole[name] ? Math.round(inside) : inside;
      if (found[name] !== value) lines.push(`${name} goes from ${steps[0]} to ${steps.at(-1)}${whole[name] ? ", whole" : ""}: ` +
        `${value} became ${found[name]}.`);
    }
    el.querySelector(".told").textContent = lines.join(" ");
    return found;
  };
  const read = () => {
    change({ ...defaults, ...fitted(inAddress(values)) });
    const strange = [...new URLSearchParams(location.hash.slice(1)).keys()].filter((name) => !(name in values));
    if (strange.length) el.querySelector(".told").textContent += ` The address names what is no setting: ${strange.join(", ")}.`;
  };
  place();
  if (opened && Object.keys(inAddress(values)).length) read();
  opened = false;
  for (const range of ranges) range.oninput = () => {
    values[range.id] = positions[range.id][range.value];
    tell(); moved = true; if (!waits) ask();
  };
  for (const box of typed) box.onchange = () => {
    const name = box.dataset.name, value = number(box.value), text = box.value;
    box.blur();
    change(Number.isFinite(value) ? fitted({ [name]: value }) : {});
    if (!Number.isFinite(value)) el.querySelector(".told").textContent = `${name} must be a number; received "${text}".`;
  };
  el.querySelector(".reset").onclick = () => change({ ...defaults, ...fitted({}) });
  for (const [name, text] of [["copy", () => model.get("code")], ["link", () => location.origin + address()]]) {
    const button = el.querySelector("." + name), word = button.textContent;
    button.onclick = async () => {
      await navigator.clipboard.writeText(text());
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = word), 1500);
    };
  }
  model.on("change:values", told);
  model.on("change:answered", answered);
  addEventListener("hashchange", read);
  return () => {
    model.off("change:values", told); model.off("change:answered", answered); removeEventListener("hashchange", read);
  };
}
export default { render };
