// The numbers of the explorers: the package's functions once more, for a browser that has no kernel to ask.
// Nothing here draws. tests/widgets/test_explorers.py runs every function in a real browser against the package,
// torchvision and pycocotools. Boxes are [x0, y0, x1, y1] in pixels, distances [l, t, r, b].
const core = (() => {
  const EPS = 1e-7; // as in fcos_edu.losses

  const area = (box) => (box[2] - box[0]) * (box[3] - box[1]);
  const sigmoid = (x) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));
  const logit = (p) => Math.log(p) - Math.log1p(-p);

  // ---- section 3.1

  // Eq. 1.
  const ltrb = (x, y, box) => [x - box[0], y - box[1], box[2] - x, box[3] - y];

  // Eq. 1 inverted.
  const decode = (x, y, d) => [x - d[0], y - d[1], x + d[2], y + d[3]];

  // ---- section 3.2

  const inRange = (farthest, low, high, quirks) =>
    quirks ? low < farthest && farthest < high : low <= farthest && farthest <= high;

  // Which boxes may the location (x, y) of one level learn, and which does it learn? As targets.assign_slow.
  // rules: {stride, low, high, radius (null: no center sampling), quirks}.
  // Returns {owner: index or -1, claims: indices from the smallest box to the largest}.
  // torchvision computes in float32, and so do we then; otherwise everything is float64.
  function assign(x, y, boxes, rules) {
    const round = rules.quirks ? Math.fround : (value) => value;
    const claims = [];
    for (let index = 0; index < boxes.length; index++) {
      const box = boxes[index];
      const x0 = round(box[0]), y0 = round(box[1]), x1 = round(box[2]), y1 = round(box[3]);
      const l = round(x - x0), t = round(y - y0), r = round(x1 - x), b = round(y1 - y);
      if (!(l > 0 && t > 0 && r > 0 && b > 0)) continue;
      if (!inRange(Math.max(l, t, r, b), rules.low, rules.high, rules.quirks)) continue;
      if (rules.radius !== null) {
        const reach = round(rules.radius * rules.stride);
        const dx = round(x - round(round(x0 + x1) / 2)), dy = round(y - round(round(y0 + y1) / 2));
        if (!(Math.max(Math.abs(dx), Math.abs(dy)) < reach)) continue;
      }
      let size = round(round(x1 - x0) * round(y1 - y0));
      if (rules.quirks) size = -round(1e8 - size); // close areas tie, then the earlier box wins
      claims.push([size, index]);
    }
    claims.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    const order = claims.map((claim) => claim[1]);
    return { owner: order.length ? order[0] : -1, claims: order };
  }

  // All locations of one level, row by row: {owner, claims} arrays, as targets.assign and targets.candidates.
  function assignLevel(xs, ys, boxes, rules) {
    const owner = [], claims = [];
    for (const y of ys) {
      for (const x of xs) {
        const found = assign(x, y, boxes, rules);
        owner.push(found.owner);
        claims.push(found.claims);
      }
    }
    return { owner, claims };
  }

  // Table 2 for some locations: how many are positive, ambiguous, and ambiguous between different classes.
  function countAmbiguous(claims, labels) {
    let positive = 0, ambiguous = 0, different = 0;
    for (const claim of claims) {
      if (claim.length) positive += 1;
      if (claim.length > 1) ambiguous += 1;
      if (claim.some((index) => labels[index] !== labels[claim[0]])) different += 1;
    }
    return { positive, ambiguous, different };
  }

  // Indices of the levels whose range holds max(l, t, r, b); two where it is exactly a bound.
  function levelsOf(farthest, bounds, quirks) {
    const found = [];
    for (let i = 0; i + 1 < bounds.length; i++) {
      if (inRange(farthest, bounds[i], bounds[i + 1], quirks)) found.push(i);
    }
    return found;
  }

  // ---- section 3.3

  // Eq. 3; 0 for distances that are all 0.
  function centerness(d) {
    const share = (a, b) => (Math.max(a, b) > 0 ? Math.min(a, b) / Math.max(a, b) : 0);
    return Math.sqrt(share(d[0], d[2]) * share(d[1], d[3]));
  }

  // ---- Eq. 2

  // Two boxes anywhere: areas of intersection, union and hull (the smallest box around both), IoU and GIoU.
  function overlap(a, b) {
    const width = Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0]));
    const height = Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
    const inter = width * height;
    const union = area(a) + area(b) - inter;
    const hull =
      (Math.max(a[2], b[2]) - Math.min(a[0], b[0])) * (Math.max(a[3], b[3]) - Math.min(a[1], b[1]));
    const iou = inter / union;
    return { inter, union, hull, iou, giou: iou - (hull - union) / hull };
  }

  // L_reg from what overlap() returns; kind as FCOSConfig.box_loss.
  function boxLoss(found, kind) {
    if (kind === "iou") return -Math.log(Math.max(found.iou, EPS));
    return 1 - (kind === "giou" ? found.giou : found.iou);
  }

  // How the loss of box `a` changes with each of its four sides, by central differences.
  function boxGradient(a, b, kind) {
    const step = 1e-4;
    return a.map((_, side) => {
      const moved = (by) => boxLoss(overlap(a.map((v, i) => (i === side ? v + by : v)), b), kind);
      return (moved(step) - moved(-step)) / (2 * step);
    });
  }

  // Cross-entropy and focal loss of one logit; target 1 for the location's class, 0 otherwise.
  const crossEntropy = (x, target) => Math.max(x, 0) - x * target + Math.log1p(Math.exp(-Math.abs(x)));

  function focal(x, target, alpha, gamma) {
    const p = sigmoid(x);
    const right = target ? p : 1 - p; // p_t
    const weight = target ? alpha : 1 - alpha;
    return weight * Math.pow(1 - right, gamma) * crossEntropy(x, target);
  }

  // ---- section 4

  // Indices by score, highest first, earlier ones first among equals.
  const byScore = (scores) => scores.map((_, i) => i).sort((i, j) => scores[j] - scores[i] || i - j);

  // Non-maximum suppression within each class, as inference.class_wise_nms, told step by step.
  // Returns {kept: indices, highest score first; by: for each box the kept box that removed it, or -1;
  // iou: the IoU of the two}.
  function nms(boxes, scores, labels, threshold) {
    const by = scores.map(() => -1), iou = scores.map(() => 0), kept = [];
    const order = byScore(scores);
    order.forEach((i, rank) => {
      if (by[i] >= 0) return;
      kept.push(i);
      for (const j of order.slice(rank + 1)) {
        if (by[j] >= 0 || labels[j] !== labels[i]) continue;
        const value = overlap(boxes[i], boxes[j]).iou;
        if (value > threshold) [by[j], iou[j]] = [i, value];
      }
    });
    return { kept, by, iou };
  }

  // pycocotools' matching in one image and class: each detection takes the best box that is left.
  // Returns the index of the box of each detection, or -1, in the order of the detections given.
  function match(boxes, scores, truth, threshold, limit = 100) {
    const taken = truth.map(() => false), result = boxes.map(() => -1);
    for (const i of byScore(scores).slice(0, limit)) {
      let best = Math.min(threshold, 1 - 1e-10), found = -1;
      truth.forEach((box, k) => {
        if (taken[k]) return;
        const value = overlap(boxes[i], box).iou;
        if (value >= best) [best, found] = [value, k];
      });
      if (found >= 0) taken[found] = true;
      result[i] = found;
    }
    return result;
  }

  // Precision and recall of one class over all images, and AP over COCO's 101 recalls.
  // images: [{boxes, scores, truth}] of the class. null without any true box, where AP is not defined.
  function precisionRecall(images, threshold, limit = 100) {
    const hits = [], scores = [];
    let total = 0;
    for (const image of images) {
      total += image.truth.length;
      const found = match(image.boxes, image.scores, image.truth, threshold, limit);
      for (const i of byScore(image.scores).slice(0, limit)) {
        hits.push(found[i] >= 0);
        scores.push(image.scores[i]);
      }
    }
    if (!total) return null;
    const recall = [], precision = [], ranked = byScore(scores);
    let right = 0;
    ranked.forEach((i, rank) => {
      right += hits[i];
      recall.push(right / total);
      precision.push(right / (rank + 1));
    });
    const envelope = precision.slice(); // the best precision at this recall or a higher one
    for (let i = envelope.length - 2; i >= 0; i--) envelope[i] = Math.max(envelope[i], envelope[i + 1]);
    const sampled = []; // at recalls step * 0.01, rounded as numpy's linspace does
    for (let step = 0, at = 0; step <= 100; step++) {
      while (at < recall.length && recall[at] < step * 0.01) at += 1;
      sampled.push(at < recall.length ? envelope[at] : 0);
    }
    const ap = sampled.reduce((sum, value) => sum + value, 0) / 101;
    return { total, scores: ranked.map((i) => scores[i]), recall, precision, envelope, sampled, ap };
  }

  return {
    EPS, area, sigmoid, logit, ltrb, decode, assign, assignLevel, countAmbiguous, levelsOf, centerness, overlap,
    boxLoss, boxGradient, crossEntropy, focal, byScore, nms, match, precisionRecall,
  };
})();
