// The page "Look inside": why a location is to learn a box, or none, in words. The numbers come from network.js.
globalThis.lookTruth = (() => {
  "use strict";
  const px = (value) => (value === Infinity ? "infinity" : String(Math.round(value * 10) / 10));
  const listed = (words) => (words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`);

  // {title, reasons: sentences}. `target` is of network.js, `names` has the class of each box, `unit` is what a number
  // of pixels is called.
  function words(target, level, names, config, unit) {
    const { claims, candidates, matched } = target, stride = 2 ** config.levels[level];
    if (matched >= 0) {
      const wanted = listed(candidates.map((i) => names[i]));
      const many = candidates.length > 1;
      return {
        title: names[matched],
        reasons: [many ? `Ambiguous: ${candidates.length} boxes may claim it, ${wanted}. The smallest does.` : "One box may claim it."],
      };
    }
    if (!claims.length) return { title: "background", reasons: ["The picture has no box."] };
    const around = claims.map((claim, i) => ({ ...claim, name: names[i] })).filter((claim) => claim.inside);
    if (!around.length) return { title: "background", reasons: ["It lies in no box."] };
    around.sort((a, b) => a.area - b.area);
    const reasons = around.slice(0, 2).map(({ name, far, away, reach, inRange, levels }) => {
      if (inRange) {
        return `In a box of ${name}, but ${px(away)} ${unit} from its centre. Center sampling reaches less than ${px(reach)}: ` +
          `${config.center_sampling_radius} × the stride of ${stride}.`;
      }
      const bounds = config.level_bounds.slice(level, level + 2).map((value) => (value === "inf" ? Infinity : value));
      const other = levels.length ? `that is for ${listed(levels.map((n) => `P${n}`))}` : "no level learns that";
      return `In a box of ${name}, whose farthest side is ${px(far)} ${unit} away: ${other}. P${config.levels[level]} learns ` +
        `${px(bounds[0])} to ${px(bounds[1])}.`;
    });
    if (around.length > 2) reasons.push(`So it is with ${around.length - 2} more.`);
    return { title: "background", reasons };
  }

  return { words };
})();
