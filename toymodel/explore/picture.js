// A picture that can be clicked and downloaded.
const NS = "http://www.w3.org/2000/svg", SCALE = 3;
// All charts below each other, with the words above and the colours below them, as one SVG.
const whole = (el) => {
  const charts = [...el.querySelectorAll("svg[role=img]")], [, , width, height] = charts[0].getAttribute("viewBox").split(" ").map(Number);
  const all = document.createElementNS(NS, "svg");
  const write = (text, x, y, size) => {
    const word = all.appendChild(document.createElementNS(NS, "text"));
    for (const [k, v] of Object.entries({ x, y, "font-size": size, "font-family": "system-ui, sans-serif", fill: "#333" }))
      word.setAttribute(k, v);
    word.textContent = text;
  };
  const top = el.querySelector(".headline");
  const parts = top ? [...top.childNodes].map((node) => node.textContent.trim()).filter(Boolean) : [];
  const words = parts.join(parts.length === 2 ? ": " : " ");
  if (words) write(words, 6, 18, words.length > 60 ? 10.5 : 13);
  let y = words ? 28 : 0;
  for (const chart of charts) {
    const copy = all.appendChild(chart.cloneNode(true));
    for (const [k, v] of Object.entries({ x: 0, y, width, height })) copy.setAttribute(k, v);
    y += height + 4;
  }
  let x = 8;
  for (const key of el.querySelectorAll(".key")) {
    const mark = all.appendChild(document.createElementNS(NS, "rect"));
    if (x + 7 * key.textContent.length + 24 > width) { x = 8; y += 18; }
    for (const [k, v] of Object.entries({ x, y: y + 2, width: 11, height: 11, fill: key.querySelector("i").style.background }))
      mark.setAttribute(k, v);
    write(key.textContent, x + 16, y + 12, 12);
    x += 7 * key.textContent.length + 34;
  }
  if (x > 8) y += 20;
  all.setAttribute("viewBox", `0 0 ${width} ${y}`);
  all.setAttribute("width", width * SCALE);
  all.setAttribute("height", y * SCALE);
  return all;
};
const save = async (el) => {
  const svg = whole(el), image = new Image(), canvas = document.createElement("canvas");
  image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(new XMLSerializer().serializeToString(svg));
  await image.decode();
  [canvas.width, canvas.height] = [svg.getAttribute("width"), svg.getAttribute("height")];
  const brush = canvas.getContext("2d");
  brush.fillStyle = "white";
  brush.fillRect(0, 0, canvas.width, canvas.height);
  brush.drawImage(image, 0, 0);
  const link = document.createElement("a");
  link.href = canvas.toDataURL("image/png");
  link.download = "two-circuits.png";
  link.click();
};
function render({ model, el }) {
  el.innerHTML = `<div class=picture><div class=shown></div><button class=save title="Download the picture">PNG</button></div>`;
  const shown = el.querySelector(".shown"), button = el.querySelector(".save");
  const draw = () => {
    const before = el.querySelector(".charts")?.scrollLeft;
    shown.innerHTML = model.get("html");
    button.hidden = !shown.querySelector("svg[role=img]");
    if (before) el.querySelector(".charts")?.scrollTo({ left: before, behavior: "instant" });
  };
  const click = (event) => {
    const area = event.target.closest("[data-area]");
    if (!area) return;
    const box = area.getBoundingClientRect();
    const place = [(event.clientX - box.left) / box.width, (box.bottom - event.clientY) / box.height];
    // A third number that never repeats makes every click a change.
    model.set("clicked", [...place, performance.now()]);
    model.save_changes();
  };
  draw();
  button.onclick = () => save(shown);
  model.on("change:html", draw);
  el.addEventListener("click", click);
  return () => { model.off("change:html", draw); el.removeEventListener("click", click); };
}
export default { render };
