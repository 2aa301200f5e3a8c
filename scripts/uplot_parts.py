"""Which parts of uPlot the console's charts use: the rest is switched off before it is packed.

uPlot's sources have switches for its parts; what its package has was built with all of them on.
Here they are put back as rules: each says a condition that never holds for the console's charts
(a legend, a logarithmic scale, a vertical x axis, charts in step with one another), or empties a
function that nobody calls. What cannot be reached any more is left out by the minifier.

A rule tells how often it fits, so that another version of uPlot is refused rather than cut
somewhere else. A browser of the tests draws the same with the whole of it.
"""

import re
from collections.abc import Sequence
from typing import Final

import attrs


@attrs.frozen
class Rule:
    """``pattern`` becomes ``text``, ``times`` times."""

    times: int
    pattern: str
    text: str


ABOUT: Final = "/*! uPlot 1.6.32, in part. (c) 2025 Leon Sorokin, MIT */\n"

NEVER: Final = (  # what a chart may be, and ours is not
    Rule(16, r"\bmode == 2\b", "false"),
    Rule(16, r"\bmode == 1\b", "true"),
    Rule(24, r"\bscaleX\.ori == 0", "true"),
    Rule(9, r"\bscaleX\.ori == 1", "false"),
    Rule(29, r"(\b[\w.]+\.)?\bdistr == (2|3|4|100)\b", "false"),
    Rule(6, r"\bxScaleDistr == \d", "false"),
    Rule(1, r"\bsc\.distr == 1", "true"),
    Rule(1, r"\bsc\.distr >= 3", "false"),
    Rule(1, r"const showLegend = legend\.show", "const showLegend = false"),
    Rule(7, r"\blegend\.live\b", "false"),
    Rule(1, r"\blegend\.show\b", "false"),
    Rule(1, r"const cursorFocus = .*", "const cursorFocus = false;"),
    Rule(1, r"const showCursor = .*", "const showCursor = true;"),
    Rule(1, r"self\.bands  = opts\.bands \|\| \[\]", "[]"),
    Rule(3, r"\w+\.from != null", "false"),
    Rule(4, r"\w+\.from == null", "true"),
    Rule(2, r"opts\.plugins \|\| \[\]", "[]"),
    Rule(5, r"\bms == 1\b", "false"),
    Rule(1, r"opts\.ms \|\| 1e-3", "1e-3"),
    Rule(3, r"axis\.label != null", "false"),
    Rule(2, r"opts\.title\b", "null"),
    Rule(1, r"opts\.id != null", "false"),
    Rule(1, r"typeof window != 'undefined'", "true"),
    Rule(2, r"ticks\.show \? ticks\.size : 0|(?<=if \()ticks\.show", "0"),
    Rule(1, r"(?<=if \()border\.show", "0"),
    Rule(1, r"let angle += axis\._rotate.*", "const angle = 0;"),
    Rule(1, r"series\.some\(s => s\._focus\)", "false"),
    Rule(2, r"\w+ instanceof Map", "false"),
    Rule(1, r"flags != 0 && bands", "false && bands"),
    Rule(3, r"let \[ bandFillDir, bandClipDir \] = .*", "const bandFillDir = 0, bandClipDir = 0;"),
    Rule(1, r"const decimate = .*", "const decimate = false;"),
)
RANGES: Final = (  # each scale has a range of its own, each side its padding
    Rule(1, r"scaleKey != xScaleKey \|\| \(false && !isTime\)", "false"),
    Rule(1, r"sc\.range = fnOrSelf\(rn \|\| [\s\S]*?\n\t\t\t\t\)\);", "sc.range = fnOrSelf(rn);"),
    Rule(1, r"scaleX\.time", "true"),
    Rule(1, r"\(opts\.padding \|\| .*", "opts.padding.map(fnOrSelf);"),
)
BARS: Final = (  # of one width and one colour, with corners
    Rule(1, r"dispFills != null && ", "false && "),
    Rule(1, r"x0 != null && size != null", "false"),
    Rule(1, r"y0 != null && y1 != null", "false"),
    Rule(1, r"let band = ifNull.*", "const band = null;"),
    Rule(1, r"\[valRadius, baseRadius\] = radiusFn.*", "valRadius = baseRadius = 0;"),
    Rule(1, r"endRad == 0 && baseRad == 0", "true"),
    Rule(1, r"return \(sx\.ori == 0", "return (true"),
)
HOVER: Final = (  # a line that stands, a point on each series; what is dragged is a span of time
    Rule(1, r"let dragY = drag\.y;", "const dragY = false;"),
    Rule(1, r"dragX = dragY = drag\._x", "dragX = drag._x"),
    Rule(1, r"\t\t\t\tdragY = drag\.y && .*\n", ""),
    Rule(1, r"let uni = drag\.uni;", "const uni = null;"),
    Rule(1, r"else if \(drag\.x && drag\.y[\s\S]*?dragX = dragY = true;", ""),
    Rule(2, r"hCursor && ", "false && "),
    Rule(1, r"getBBox = points\.bbox", "getBBox = null"),
    Rule(1, r"let withProx = .*", "const withProx = false;"),
    Rule(1, r"let bias = hov\.bias \?\?= 0;", "const bias = 0;"),
)
TOLD_TO_NOBODY: Final = (  # other charts, hooks, and who would call a chart from outside
    Rule(8, r"\be != null\b", "true"),
    Rule(3, r"\bsrc == null\b", "true"),
    Rule(1, r"\bsrc != null\b", "false"),
    Rule(1, r"const sync = _sync\(syncKey\);", ""),
    Rule(2, r"(?m)^\s*sync\.(sub|unsub)\(self\);\n", ""),
    Rule(1, r"const syncOpts = assign\([\s\S]*?cursor\.sync = syncOpts;", "const syncOpts = 0;"),
    Rule(1, r"const syncKey = syncOpts\.key;", "const syncKey = null;"),
    Rule(1, r"(?m)function pubSync[\s\S]*?^\t}", "function pubSync() {}"),
    Rule(1, r"(?m)^\tfunction pub\([\s\S]*?^\t}", ""),
    Rule(1, r"(?m)^\tconst events = {};[\s\S]*?^\t};\n", ""),
    Rule(1, r"(?m)^\tconst hooks = [\s\S]*?^\tfunction fire[\s\S]*?^\t}\n", "function fire() {}\n"),
    Rule(
        14,
        r"(?m)^\tself\.(addSeries|delSeries|setSeries|batch|addBand|setBand|delBand|posToIdx|valToIdx"
        r"|setSize|setLegend|setScale|setSelect|syncRect|pub) = [^{]*?;\n",
        "",
    ),
    Rule(2, r"(?m)^\tself\.(setCursor|redraw) = [\s\S]*?^\t};\n", ""),
    Rule(1, r"uPlot\.assign = assign;[\s\S]*?(?=\nexport)", "uPlot.paths = { bars };"),
)
OTHERWISE_DRAWN: Final = (  # moments are written by the console, points are none
    Rule(1, r"const _timeAxisVals .*", ""),
    Rule(1, r"const _timeSeriesVal .*", ""),
    Rule(
        1,
        r"// temporal\s+isTime \? \([\s\S]*?av \|\| _timeAxisVals\s*\) : av \|\| numAxisVals",
        "av || numAxisVals",
    ),
    Rule(
        1,
        r"if \(true \|\| i > 0\) {\s*let isTime = true[\s\S]*?numSeriesLabel\);",
        "if (false) {",
    ),
    Rule(1, r"s\.paths \|\| linearPath \|\| retNull", "s.paths || linearPath"),
    Rule(1, r"paths: pointsPath,", ""),
    Rule(1, r"(?m)^const xySeriesOpts = {[\s\S]*?^};", ""),
    Rule(1, r"const legend +=.*", "const legend = {};"),
    Rule(1, r"const markers +=.*", ""),
    Rule(1, r"{\s*legend\.idxs = activeIdxs;[\s\S]*?\(markers\.fill\);\s*}", ""),
    Rule(1, r"moveToH,\s*lineToH,\s*rectH,\s*arcH,\s*bezierCurveToH,", ""),
    Rule(1, r"{\s*let _gaps = s\._paths[\s\S]*?drawPath\(i, true\);\s*}\s*}", ""),
    Rule(1, r"cacheStrokeFill\(i, true\);", "s.points._stroke = s._stroke;"),
    Rule(1, r"_timeAxisStampsMs, ", ""),
    Rule(1, r"_timeAxisStampsS,  ", ""),
    Rule(1, r"const \[ timeIncrsMs.*", ""),
    Rule(1, r"const localTz = .*", ""),
    Rule(3, r"(?m)^const (days3|months3|engNames) = [\s\S]*?;$", ""),
    Rule(1, r"const _timeAxisStamps = [\s\S]*?\n\t\];", ""),
    Rule(1, r"\t\t_timeAxisStamps,\n", ""),
)


ALL: Final = (*NEVER, *RANGES, *BARS, *HOVER, *TOLD_TO_NOBODY, *OTHERWISE_DRAWN)


def used(text: str, rules: Sequence[Rule] = ALL) -> str:
    """uPlot's module with the rest switched off. ValueError where a rule fits otherwise."""
    for rule in rules:
        text, times = re.subn(rule.pattern, rule.text, text)
        if times != rule.times:
            raise ValueError(f"{rule.pattern} fits {times} times, not {rule.times}")
    return ABOUT + text
