// Which anchors learn an object: torchvision's AnchorGenerator, box_iou and Matcher once more, as RetinaNet uses them.
// Nothing here draws. tests/widgets/test_anchors.py runs every function in a real browser against torchvision.
// Boxes are [x0, y0, x1, y1] in pixels. torchvision computes in float32, and so do we: equal overlaps tie there, too.
const anchors = (() => {
  const round = Math.fround;
  const LEAST = 0.5, LEFT_OUT = round(0.4); // from here on an anchor learns; from here on it is left out

  const area = (box) => round(round(box[2] - box[0]) * round(box[3] - box[1]));

  // The anchor of a cell (a box around 0) at the location (x, y).
  const placed = (cell, x, y) => [round(x + cell[0]), round(y + cell[1]), round(x + cell[2]), round(y + cell[3])];

  function iou(box, anchor) {
    const width = round(Math.min(box[2], anchor[2]) - Math.max(box[0], anchor[0]));
    const height = round(Math.min(box[3], anchor[3]) - Math.max(box[1], anchor[1]));
    if (!(width > 0 && height > 0)) return 0;
    const shared = round(width * height);
    return round(shared / round(round(area(box) + area(anchor)) - shared));
  }

  // "learns", "left out" or "background".
  const verdict = (value) => (value >= LEAST ? "learns" : value >= LEFT_OUT ? "left out" : "background");

  // The location of a level that is nearest to the middle of a box: its column and row.
  function nearest(level, box) {
    const at = (low, high, count) => Math.min(count - 1, Math.max(0, Math.round((low + high) / 2 / level.stride)));
    return [at(box[0], box[2], level.columns), at(box[1], box[3], level.rows)];
  }

  // All anchors of one level with a box: {values: their IoUs, location by location, row by row; learn, out: how many
  // learn it and are left out; best: the highest IoU; cell: the number of the anchor that has it, the first of equals}.
  function overlaps(level, box) {
    const own = box.map(round), { stride, columns, rows, cells } = level;
    const values = [];
    let learn = 0, out = 0, best = -1, cell = -1;
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        cells.forEach((each, k) => {
          const value = iou(own, placed(each, column * stride, row * stride));
          values.push(value);
          if (value >= LEAST) learn += 1;
          else if (value >= LEFT_OUT) out += 1;
          if (value > best) [best, cell] = [value, k];
        });
      }
    }
    return { values, learn, out, best, cell };
  }

  // How many anchors have the highest IoU of all: those that the rule of the best anchor ("low-quality matches") adds.
  const sharing = (found, best) =>
    found.reduce((sum, one) => sum + one.values.reduce((count, value) => count + (value === best), 0), 0);

  // Why does an anchor of this width and height not fit an object, in whatever place? "place" if it would, in the right
  // one; else what alone would cost more: "shape" (as if the areas were equal) or "size" (as if the shapes were).
  function misfit(anchor, object) {
    const centred = ([width, height]) => [-width / 2, -height / 2, width / 2, height / 2];
    if (iou(centred(anchor), centred(object)) >= LEAST) return "place";
    const size = (anchor[0] * anchor[1]) / (object[0] * object[1]);
    const shape = anchor[0] / anchor[1] / (object[0] / object[1]);
    const common = Math.sqrt(Math.min(shape, 1 / shape)); // of two boxes of area 1
    return common / (2 - common) < Math.min(size, 1 / size) ? "shape" : "size";
  }

  return { iou, placed, verdict, nearest, overlaps, sharing, misfit };
})();
