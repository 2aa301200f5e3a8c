// Charts of numbers over time. The library is loaded with the first chart. data-plot: {"at":
// [seconds], "series": [{"label", "values", "tone"}], "kind": "line" | "bars", "whole": true if the
// values are integers, "step": seconds between bars, if not 60}; a tone is one of accent, run, warn, bad.
let library = null;

function load() {
  return (library ??= new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = document.body.dataset.chart;
    script.onload = () => done(window.uPlot);
    script.onerror = failed;
    document.head.append(script);
  }));
}

// A canvas cannot use CSS variables, so colours are looked up when it is drawn.
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const clock = (_, moments, __, ___, step) =>
  moments.map((at) => new Date(at * 1000).toLocaleTimeString([], {
    hour: "2-digit", minute: "2-digit", second: step < 60 ? "2-digit" : undefined, hour12: false,
  }));

const DAY = 86400;
const calendar = (_, moments) =>
  moments.map((at) => new Date(at * 1000).toLocaleDateString([], { day: "numeric", month: "short" }));

// Ticks of whole numbers, for counts.
const WHOLE = [...Array(10).keys()].flatMap((power) => [1, 2, 5].map((step) => step * 10 ** power));

// Failures are hatched, so that they are not marked by colour alone.
function hatched(tone) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 6;
  const pen = tile.getContext("2d");
  pen.fillStyle = colour("--card"); // it covers the bar of successes
  pen.fillRect(0, 0, 6, 6);
  pen.strokeStyle = tone;
  pen.lineWidth = 2;
  for (const x of [-3, 3, 9]) {
    pen.moveTo(x - 3, 9);
    pen.lineTo(x + 9, -3);
  }
  pen.stroke();
  return pen.createPattern(tile, "repeat");
}

const filled = (tone) => (tone === "bad" ? hatched(colour("--bad")) : colour(`--${tone}`));

function options(uPlot, figure, data) {
  const plot = figure.querySelector(".plot");
  const axis = {
    stroke: colour("--soft"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
    font: "11px system-ui",
  };
  const step = data.step ?? 60;
  const [half, named] = [step / 2, step < DAY ? clock : calendar];
  const bars = data.kind === "bars" ? uPlot.paths.bars({ size: [0.7, 40] }) : undefined;
  return {
    width: plot.clientWidth,
    height: plot.clientHeight || 190,
    padding: [8, 30, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: { x: { range: (_, low, high) => (bars ? [low - half, high + half] : [low, high]) }, y: { range: (_, low, high) => [0, Math.max(high * 1.1, 1)] } },
    axes: [{ ...axis, size: 26, values: named, space: 70, incrs: step < DAY ? undefined : [1, 2, 7, 14, 30, 61].map((days) => days * DAY) }, { ...axis, size: 44, incrs: data.whole ? WHOLE : undefined }],
    series: [
      {},
      ...data.series.map((each) => ({
        label: each.label,
        stroke: colour(`--${each.tone}`),
        fill: data.kind === "bars" ? filled(each.tone) : undefined,
        width: data.kind !== "bars" ? 2 : each.tone === "bad" ? 1 : 0,
        paths: bars,
        points: { show: false },
      })),
    ],
  };
}

export function charts() {
  const drawn = new Map();
  // Without this, a bar of height 0 would be drawn as a line.
  const shown = (data, values) => (data.kind === "bars" ? values.map((each) => each || null) : values);
  const columns = (data) => [data.at, ...data.series.map((each) => shown(data, each.values))];
  const draw = async (figure, anew) => {
    const text = figure.dataset.plot;
    const known = drawn.get(figure);
    if (known?.text === text && !anew) return;
    const data = JSON.parse(text);
    if (known && !anew) {
      known.text = text;
      known.chart.setData(columns(data));
      return;
    }
    const uPlot = await load();
    drawn.get(figure)?.chart.destroy(); // it may have been drawn while the library was loading
    const chart = new uPlot(options(uPlot, figure, data), columns(data), figure.querySelector(".plot"));
    drawn.set(figure, { text, chart });
  };
  const all = (anew) => document.querySelectorAll("figure.chart").forEach((each) => draw(each, anew));
  all(false);
  document.addEventListener("theme", () => all(true));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => all(true));
  let timer = 0;
  addEventListener("resize", () => {
    clearTimeout(timer);
    timer = setTimeout(() => all(true), 120);
  });
  return () => all(false);
}
