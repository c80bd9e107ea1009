// The package's small detectors in plain JavaScript: resize, network, decoding, NMS. Nothing here draws.
// tests/test_look_inside.py runs all of it in a browser against the package. From a disk a page may not load a worker
// from a file; so all stands in one function that needs nothing outside, and a worker is made of its text.
//
// Maps are {data, height, width, channels}, row by row, the channels of a cell side by side. Sums are in float64.
function fcosInThePage() {
  "use strict";
  const MEAN = [0.485, 0.456, 0.406], STD = [0.229, 0.224, 0.225]; // fcos_edu.images
  const EPS = 1e-5; // of torch's batch norm and group norm
  const MAX_EXPONENT = 12; // fcos_edu.network
  const ceil = (a, b) => Math.ceil(a / b);
  const sigmoid = (x) => 1 / (1 + Math.exp(-x));

  // ---- the checkpoint: a safetensors file as base64

  function half(bits) {
    const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
  }

  // {config, weight(name) -> Float64Array, shape(name)}
  function parse(base64) {
    const text = atob(base64);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    const view = new DataView(bytes.buffer);
    const start = 8 + view.getUint32(0, true); // the file is far below 4 GB
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start)));
    const config = JSON.parse(header.__metadata__.config);
    const read = { F16: (at) => half(view.getUint16(at, true)), F32: (at) => view.getFloat32(at, true) };
    const size = { F16: 2, F32: 4 };
    return {
      config,
      shape: (name) => header[name].shape,
      weight(name) {
        const { dtype, data_offsets: [from, to] } = header[name];
        const out = new Float64Array((to - from) / size[dtype]);
        for (let i = 0; i < out.length; i++) out[i] = read[dtype](start + from + i * size[dtype]);
        return out;
      },
    };
  }

  // ---- sums of products, the one loop where the time goes

  // out[i, j] = a[i, :] . b[j, :], four rows of a and two of b at a time: eight sums stay in registers.
  // a and out must have room for a number of rows that 4 divides.
  function multiply(a, atA, b, atB, out, atOut, rows, columns, depth) {
    for (let i = 0; i < rows; i += 4) {
      const a0 = atA + i * depth, a1 = a0 + depth, a2 = a1 + depth, a3 = a2 + depth;
      const o0 = atOut + i * columns, o1 = o0 + columns, o2 = o1 + columns, o3 = o2 + columns;
      for (let j = 0; j < columns; j += 2) {
        const pair = j + 1 < columns;
        const b0 = atB + j * depth, b1 = pair ? b0 + depth : b0;
        let s00 = 0, s01 = 0, s10 = 0, s11 = 0, s20 = 0, s21 = 0, s30 = 0, s31 = 0;
        for (let k = 0; k < depth; k++) {
          const p = b[b0 + k], q = b[b1 + k];
          const x0 = a[a0 + k], x1 = a[a1 + k], x2 = a[a2 + k], x3 = a[a3 + k];
          s00 += x0 * p; s01 += x0 * q;
          s10 += x1 * p; s11 += x1 * q;
          s20 += x2 * p; s21 += x2 * q;
          s30 += x3 * p; s31 += x3 * q;
        }
        out[o0 + j] = s00; out[o1 + j] = s10; out[o2 + j] = s20; out[o3 + j] = s30;
        if (pair) { out[o0 + j + 1] = s01; out[o1 + j + 1] = s11; out[o2 + j + 1] = s21; out[o3 + j + 1] = s31; }
      }
    }
  }

  // ---- convolutions

  const pool = {}; // buffers that are used again: their content is of no use after a convolution
  function buffer(name, length) {
    if (!pool[name] || pool[name].length < length) pool[name] = new Float64Array(length);
    return pool[name];
  }

  // The maps of one run. A picture of the same size finds those of the last one again, whatever they hold.
  const maps = [];
  let used = 0;
  function map(height, width, channels) {
    const length = ceil(height * width, 4) * 4 * channels;
    if (maps[used]?.length !== length) maps[used] = new Float64Array(length);
    return { height, width, channels, data: maps[used++] };
  }

  // The map with zeros around it, in a buffer: top and left 1 (for 3x3), below and right as far as rows and columns say.
  function padded(x, rows, columns) {
    const { data, height, width, channels } = x;
    const out = buffer("padded", rows * columns * channels).fill(0, 0, rows * columns * channels);
    for (let y = 0; y < height; y++) {
      const row = data.subarray(y * width * channels, (y + 1) * width * channels);
      out.set(row, ((y + 1) * columns + 1) * channels);
    }
    return out;
  }

  // torch's weight (out, in, k, k) to rows (out, k, k, in), as cells lie in a map.
  function cellsOf([outputs, inputs, size], weight) {
    const out = new Float64Array(weight.length), taps = size * size;
    for (let o = 0; o < outputs; o++) {
      for (let c = 0; c < inputs; c++) {
        for (let t = 0; t < taps; t++) out[(o * taps + t) * inputs + c] = weight[(o * inputs + c) * taps + t];
      }
    }
    return out;
  }

  // Winograd's transforms for 3x3 (Lavin and Gray 2016): tiles of 2x2 cells from 16 products, F(2x2, 3x3), or of 4x4 from
  // 36, F(4x4, 3x3), where nine for each cell would be 36 or 144. `weights` is G g for one column of g.
  const TILES = {
    2: { products: 16, weights: (a, b, c) => [a, (a + b + c) / 2, (a - b + c) / 2, c] },
    4: {
      products: 36,
      weights: (a, b, c) => [a / 4, -(a + b + c) / 6, (b - a - c) / 6, a / 24 + b / 12 + c / 6, a / 24 - b / 12 + c / 6, c],
    },
  };

  // torch's weight (out, in, 3, 3) as such tiles want it: G g G^T, (products, out, in).
  function winogradWeights([outputs, inputs], weight, { products, weights }) {
    const out = new Float64Array(products * outputs * inputs), side = Math.sqrt(products);
    for (let i = 0; i < outputs * inputs; i++) {
      const g = weight.subarray(9 * i, 9 * i + 9);
      const columns = [0, 1, 2].map((x) => weights(g[x], g[3 + x], g[6 + x])); // 3 of 4 or 6
      for (let y = 0; y < side; y++) {
        weights(columns[0][y], columns[1][y], columns[2][y]).forEach((value, x) => {
          out[(side * y + x) * outputs * inputs + i] = value;
        });
      }
    }
    return out;
  }

  // A convolution, ready to run: 3x3 with padding 1, or 1x1. `name` is that of the module in the checkpoint; where a
  // batch norm follows, it is folded in (fcos_edu.backbones.ConvNorm).
  function convolution(checkpoint, name, stride = 1, norm = null) {
    const shape = checkpoint.shape(`${name}.weight`), [outputs, inputs, size] = shape;
    const weight = checkpoint.weight(`${name}.weight`);
    let bias;
    if (norm) {
      const [gamma, beta, mean, variance] = ["weight", "bias", "running_mean", "running_var"].map((part) =>
        checkpoint.weight(`${norm}.${part}`));
      const scale = gamma.map((value, o) => value / Math.sqrt(variance[o] + EPS));
      for (let i = 0; i < weight.length; i++) weight[i] *= scale[Math.floor((i * outputs) / weight.length)];
      bias = beta.map((value, o) => value - mean[o] * scale[o]);
    } else {
      bias = checkpoint.weight(`${name}.bias`);
    }
    if (size === 3 && stride === 1) {
      const ready = {};
      return (x) => {
        // Larger tiles, but where a map is so small that most of them would be empty. Four tiles are multiplied at once.
        const cost = (tile) => ceil(ceil(x.height, tile) * ceil(x.width, tile), 4) * TILES[tile].products;
        const tile = cost(4) < cost(2) ? 4 : 2;
        ready[tile] ??= winogradWeights(shape, weight, TILES[tile]);
        return (tile === 4 ? winograd4 : winograd2)(x, ready[tile], bias, outputs);
      };
    }
    const ready = cellsOf(shape, weight);
    return (x) => direct(x, ready, bias, outputs, size, stride, inputs);
  }

  // Each cell's neighbourhood as one row, and one product of matrices.
  function direct(x, weight, bias, outputs, size, stride, inputs) {
    const out = map(ceil(x.height, stride), ceil(x.width, stride), outputs);
    const depth = size * size * inputs, cells = out.height * out.width;
    const rows = buffer("rows", ceil(cells, 4) * 4 * depth);
    if (size === 3) {
      const columns = x.width + 2;
      const source = padded(x, x.height + 2, columns);
      for (let y = 0, at = 0; y < out.height; y++) {
        for (let u = 0; u < out.width; u++) {
          for (let tap = 0; tap < 3; tap++) {
            const from = ((y * stride + tap) * columns + u * stride) * inputs;
            for (let k = 0; k < 3 * inputs; k++) rows[at++] = source[from + k];
          }
        }
      }
    } else {
      for (let y = 0, at = 0; y < out.height; y++) {
        for (let u = 0; u < out.width; u++) {
          const from = (y * stride * x.width + u * stride) * inputs;
          for (let k = 0; k < inputs; k++) rows[at++] = x.data[from + k];
        }
      }
    }
    multiply(rows, 0, weight, 0, out.data, 0, cells, outputs, depth);
    for (let i = 0, at = 0; i < cells; i++) {
      for (let o = 0; o < outputs; o++) out.data[at++] += bias[o];
    }
    return out;
  }

  // Four cells at once from 16 products for each pair of channels, where nine for each cell would be 36.
  function winograd2(x, weight, bias, outputs) {
    const { height, width, channels } = x;
    const down = ceil(height, 2), across = ceil(width, 2), tiles = down * across, room = ceil(tiles, 4) * 4;
    const columns = 2 * across + 2, row = columns * channels;
    const source = padded(x, 2 * down + 2, columns);
    const step = room * channels;
    const seen = buffer("seen", 16 * step);
    for (let v = 0, tile = 0; v < down; v++) {
      for (let u = 0; u < across; u++, tile++) {
        for (let c = 0; c < channels; c++) { // B^T d B
          let from = (2 * v * columns + 2 * u) * channels + c;
          const next = tile * channels + c;
          const a0 = source[from], b0 = source[from + channels], c0 = source[from + 2 * channels], d0 = source[from + 3 * channels];
          from += row;
          const a1 = source[from], b1 = source[from + channels], c1 = source[from + 2 * channels], d1 = source[from + 3 * channels];
          from += row;
          const a2 = source[from], b2 = source[from + channels], c2 = source[from + 2 * channels], d2 = source[from + 3 * channels];
          from += row;
          const a3 = source[from], b3 = source[from + channels], c3 = source[from + 2 * channels], d3 = source[from + 3 * channels];
          let p = a0 - a2, q = b0 - b2, r = c0 - c2, s = d0 - d2;
          seen[next] = p - r; seen[next + step] = q + r; seen[next + 2 * step] = r - q; seen[next + 3 * step] = q - s;
          p = a1 + a2; q = b1 + b2; r = c1 + c2; s = d1 + d2;
          seen[next + 4 * step] = p - r; seen[next + 5 * step] = q + r; seen[next + 6 * step] = r - q; seen[next + 7 * step] = q - s;
          p = a2 - a1; q = b2 - b1; r = c2 - c1; s = d2 - d1;
          seen[next + 8 * step] = p - r; seen[next + 9 * step] = q + r; seen[next + 10 * step] = r - q; seen[next + 11 * step] = q - s;
          p = a1 - a3; q = b1 - b3; r = c1 - c3; s = d1 - d3;
          seen[next + 12 * step] = p - r; seen[next + 13 * step] = q + r; seen[next + 14 * step] = r - q; seen[next + 15 * step] = q - s;
        }
      }
    }
    const leap = room * outputs, m = buffer("products", 16 * leap);
    for (let k = 0; k < 16; k++) {
      multiply(seen, k * step, weight, k * outputs * channels, m, k * leap, tiles, outputs, channels);
    }
    const out = map(height, width, outputs), data = out.data;
    for (let v = 0, tile = 0; v < down; v++) {
      for (let u = 0; u < across; u++, tile++) {
        const right = 2 * u + 1 < width, below = 2 * v + 1 < height;
        for (let o = 0; o < outputs; o++) { // A^T m A
          const i = tile * outputs + o;
          const p0 = m[i] + m[i + 4 * leap] + m[i + 8 * leap], q0 = m[i + 4 * leap] - m[i + 8 * leap] - m[i + 12 * leap];
          const p1 = m[i + leap] + m[i + 5 * leap] + m[i + 9 * leap], q1 = m[i + 5 * leap] - m[i + 9 * leap] - m[i + 13 * leap];
          const p2 = m[i + 2 * leap] + m[i + 6 * leap] + m[i + 10 * leap], q2 = m[i + 6 * leap] - m[i + 10 * leap] - m[i + 14 * leap];
          const p3 = m[i + 3 * leap] + m[i + 7 * leap] + m[i + 11 * leap], q3 = m[i + 7 * leap] - m[i + 11 * leap] - m[i + 15 * leap];
          const to = (2 * v * width + 2 * u) * outputs + o, plus = bias[o];
          data[to] = p0 + p1 + p2 + plus;
          if (right) data[to + outputs] = p1 - p2 - p3 + plus;
          if (below) data[to + width * outputs] = q0 + q1 + q2 + plus;
          if (right && below) data[to + (width + 1) * outputs] = q1 - q2 - q3 + plus;
        }
      }
    }
    return out;
  }

  // The same with tiles of 4x4 cells: sixteen cells from 36 products.
  function winograd4(x, weight, bias, outputs) {
    const { height, width, channels } = x;
    const down = ceil(height, 4), across = ceil(width, 4), tiles = down * across, room = ceil(tiles, 4) * 4;
    const columns = 4 * across + 2, row = columns * channels;
    const source = padded(x, 4 * down + 2, columns);
    const step = room * channels, seen = buffer("seen", 36 * step), half = buffer("half", 36);
    for (let v = 0, tile = 0; v < down; v++) {
      for (let u = 0; u < across; u++, tile++) {
        for (let c = 0; c < channels; c++) { // B^T d B
          let from = (4 * v * columns + 4 * u) * channels + c;
          for (let i = 0; i < 6; i++, from += channels) {
            const d0 = source[from], d1 = source[from + row], d2 = source[from + 2 * row];
            const d3 = source[from + 3 * row], d4 = source[from + 4 * row], d5 = source[from + 5 * row];
            const p = d4 - 4 * d2, q = d3 - 4 * d1, r = d4 - d2, s = 2 * (d3 - d1);
            half[i] = 4 * d0 - 5 * d2 + d4; half[6 + i] = p + q; half[12 + i] = p - q;
            half[18 + i] = r + s; half[24 + i] = r - s; half[30 + i] = 4 * d1 - 5 * d3 + d5;
          }
          for (let i = 0, to = tile * channels + c; i < 36; i += 6, to += 6 * step) {
            const d0 = half[i], d1 = half[i + 1], d2 = half[i + 2], d3 = half[i + 3], d4 = half[i + 4], d5 = half[i + 5];
            const p = d4 - 4 * d2, q = d3 - 4 * d1, r = d4 - d2, s = 2 * (d3 - d1);
            seen[to] = 4 * d0 - 5 * d2 + d4; seen[to + step] = p + q; seen[to + 2 * step] = p - q;
            seen[to + 3 * step] = r + s; seen[to + 4 * step] = r - s; seen[to + 5 * step] = 4 * d1 - 5 * d3 + d5;
          }
        }
      }
    }
    const leap = room * outputs, m = buffer("products", 36 * leap);
    for (let k = 0; k < 36; k++) {
      multiply(seen, k * step, weight, k * outputs * channels, m, k * leap, tiles, outputs, channels);
    }
    const out = map(height, width, outputs), data = out.data;
    for (let v = 0, tile = 0; v < down; v++) {
      for (let u = 0; u < across; u++, tile++) {
        const right = Math.min(4, width - 4 * u), below = Math.min(4, height - 4 * v);
        for (let o = 0; o < outputs; o++) { // A^T m A
          for (let i = 0, at = tile * outputs + o; i < 6; i++, at += leap) {
            const m0 = m[at], m1 = m[at + 6 * leap], m2 = m[at + 12 * leap], m3 = m[at + 18 * leap], m4 = m[at + 24 * leap], m5 = m[at + 30 * leap];
            const p = m1 + m2, q = m1 - m2, r = m3 + m4, s = m3 - m4;
            half[i] = m0 + p + r; half[6 + i] = q + 2 * s; half[12 + i] = p + 4 * r; half[18 + i] = q + 8 * s + m5;
          }
          const plus = bias[o];
          for (let y = 0, i = 0, to = (4 * v * width + 4 * u) * outputs + o; y < below; y++, i += 6, to += width * outputs) {
            const m1 = half[i + 1], m2 = half[i + 2], m3 = half[i + 3], m4 = half[i + 4];
            const p = m1 + m2, q = m1 - m2, r = m3 + m4, s = m3 - m4;
            data[to] = half[i] + p + r + plus;
            if (right > 1) data[to + outputs] = q + 2 * s + plus;
            if (right > 2) data[to + 2 * outputs] = p + 4 * r + plus;
            if (right > 3) data[to + 3 * outputs] = q + 8 * s + half[i + 5] + plus;
          }
        }
      }
    }
    return out;
  }

  // ---- what stands between convolutions; in place, but for the copies

  function relu(x) {
    const { data } = x;
    for (let i = 0; i < data.length; i++) if (data[i] < 0) data[i] = 0;
    return x;
  }

  function add(x, other) {
    for (let i = 0; i < x.data.length; i++) x.data[i] += other.data[i];
    return x;
  }

  function copy(x) {
    const out = map(x.height, x.width, x.channels);
    out.data.set(x.data);
    return out;
  }

  // Nearest neighbour, as torchvision's pyramid brings a coarse map to the size of a finer one.
  function upsample(x, height, width) {
    const out = map(height, width, x.channels);
    for (let v = 0, at = 0; v < height; v++) {
      const y = Math.floor((v * x.height) / height);
      for (let u = 0; u < width; u++, at += x.channels) {
        const from = (y * x.width + Math.floor((u * x.width) / width)) * x.channels;
        for (let c = 0; c < x.channels; c++) out.data[at + c] = x.data[from + c];
      }
    }
    return out;
  }

  // Mean and variance of one group of channels, over all cells of the map.
  function groupNorm(x, weight, bias) {
    const { data, channels } = x, cells = x.height * x.width;
    let a = channels / 2, b = 32;
    while (b) [a, b] = [b, a % b]; // gcd(32, channels / 2) groups
    const size = channels / a;
    // Cell by cell, as they lie; sums of each group side by side.
    const mean = new Float64Array(a), square = new Float64Array(a), count = cells * size;
    for (let i = 0, at = 0; i < cells; i++) {
      for (let g = 0; g < a; g++) {
        let sum = 0;
        for (const end = at + size; at < end; at++) sum += data[at];
        mean[g] += sum;
      }
    }
    for (let g = 0; g < a; g++) mean[g] /= count;
    for (let i = 0, at = 0; i < cells; i++) {
      for (let g = 0; g < a; g++) {
        const middle = mean[g];
        let sum = 0;
        for (const end = at + size; at < end; at++) sum += (data[at] - middle) * (data[at] - middle);
        square[g] += sum;
      }
    }
    const times = new Float64Array(channels), plus = new Float64Array(channels);
    for (let c = 0; c < channels; c++) {
      const g = Math.floor(c / size);
      times[c] = weight[c] / Math.sqrt(square[g] / count + EPS);
      plus[c] = bias[c] - mean[g] * times[c];
    }
    for (let i = 0, at = 0; i < cells; i++) {
      for (let c = 0; c < channels; c++, at++) data[at] = data[at] * times[c] + plus[c];
    }
    return x;
  }

  // ---- images (fcos_edu.images)

  function halfEven(x) { // as Python rounds
    const low = Math.floor(x);
    return x - low === 0.5 ? low + (low % 2) : Math.round(x);
  }

  // {size: [height, width] of the resized image, canvas: [height, width]}
  function sizes(height, width, config) {
    const scale = Math.min(config.min_size / Math.min(height, width), config.max_size / Math.max(height, width));
    const size = [height, width].map((side) => Math.max(1, halfEven(side * scale)));
    return { size, canvas: size.map((side) => ceil(side, config.size_divisor) * config.size_divisor) };
  }

  // Where the network looks on a picture, before it has looked: what `run` says but for its answers.
  function grid(height, width, config) {
    const { size, canvas } = sizes(height, width, config);
    const levels = config.levels.map((name) => {
      const stride = 2 ** name;
      return { name, stride, height: ceil(canvas[0], stride), width: ceil(canvas[1], stride) };
    });
    return { levels, size, canvas, given: [height, width] };
  }

  // Bytes (height, width, 4) to the normalised canvas: bilinear, without antialias, half-pixel centres.
  function onCanvas(rgba, height, width, config) {
    const { size, canvas } = sizes(height, width, config);
    const out = map(canvas[0], canvas[1], 3);
    out.data.fill(0); // bare cells, as normalised
    // Of each row or column: the two of the picture that it lies between, and the share of the second.
    const places = (length, from) => {
      const low = new Int32Array(length), high = new Int32Array(length), share = new Float64Array(length);
      for (let i = 0; i < length; i++) {
        const at = Math.max(0, ((i + 0.5) * from) / length - 0.5);
        low[i] = Math.min(Math.floor(at), from - 1);
        high[i] = Math.min(low[i] + 1, from - 1);
        share[i] = at - low[i];
      }
      return [low, high, share];
    };
    const [left, right, part] = places(size[1], width), [top, bottom, share] = places(size[0], height);
    for (let v = 0; v < size[0]; v++) {
      const upper = 4 * top[v] * width, lower = 4 * bottom[v] * width, down = share[v];
      for (let u = 0, at = v * canvas[1] * 3; u < size[1]; u++) {
        const a = 4 * left[u], b = 4 * right[u], across = part[u];
        for (let c = 0; c < 3; c++) {
          const above = rgba[upper + a + c] * (1 - across) + rgba[upper + b + c] * across;
          const below = rgba[lower + a + c] * (1 - across) + rgba[lower + b + c] * across;
          const mixed = Math.min(1, Math.max(0, (above * (1 - down) + below * down) / 255));
          out.data[at++] = (mixed - MEAN[c]) / STD[c];
        }
      }
    }
    return { canvas: out, size };
  }

  // ---- the network (fcos_edu.backbones.TinyBackbone, fcos_edu.network)

  // A checkpoint of a detector with the tiny backbone to a function: bytes (height, width, 4) to its predictions.
  function detector(checkpoint) {
    const { config } = checkpoint;
    const known = { backbone: "tiny", group_norm: true, box_activation: "exp_scaled", extra_levels_from: "P5",
      location_offset: "half_stride", torchvision_quirks: false };
    for (const [field, value] of Object.entries(known)) {
      if (config[field] !== value) throw new Error(`${field} is ${config[field]}; this page computes ${value} alone`);
    }
    const normed = (name, stride) => convolution(checkpoint, `${name}.conv`, stride, `${name}.norm`);
    const stem = normed("pyramid.body.stem.0", 2);
    const block = (name, stride) => {
      const first = normed(`${name}.conv1`, stride), second = normed(`${name}.conv2`, 1);
      const shortcut = stride === 1 ? (x) => x : normed(`${name}.shortcut`, stride);
      return (x) => relu(add(second(relu(first(x))), shortcut(x)));
    };
    const stages = [2, 2, 2, 1].map((count, i) =>
      Array.from({ length: count }, (_, k) => block(`pyramid.body.layer${i + 1}.${k}`, k ? 1 : 2)));
    const inner = [0, 1, 2].map((i) => convolution(checkpoint, `pyramid.fpn.inner_blocks.${i}.0`));
    const layer = [0, 1, 2].map((i) => convolution(checkpoint, `pyramid.fpn.layer_blocks.${i}.0`));
    const extra = [6, 7].map((i) => convolution(checkpoint, `pyramid.fpn.extra_blocks.p${i}`, 2));
    const tower = (name) => {
      const steps = Array.from({ length: config.num_head_convs }, (_, i) => [
        convolution(checkpoint, `head.${name}.${3 * i}`),
        checkpoint.weight(`head.${name}.${3 * i + 1}.weight`), checkpoint.weight(`head.${name}.${3 * i + 1}.bias`),
      ]);
      return (x, noteStep) => steps.reduce((y, [conv, weight, bias], i) =>
        noteStep(i + 1, relu(groupNorm(conv(y), weight, bias))), x);
    };
    const towers = { classification: tower("classification_tower"), regression: tower("regression_tower") };
    const [classify, regress, center] = ["classification", "regression", "centerness"].map((name) =>
      convolution(checkpoint, `head.${name}`));
    const scales = checkpoint.weight("head.scales");

    // The maps of the last run by name; they are of use until the next one begins.
    let noted = {};
    function note(name, stride, x) {
      noted[name] = { ...x, stride };
      return x;
    }

    function pyramid(x) {
      const c = [note("stem", 2, relu(stem(x)))];
      for (const blocks of stages) c.push(note(`C${c.length + 1}`, 2 ** (c.length + 1), blocks.reduce((y, one) => one(y), c.at(-1))));
      const side = inner.map((conv, i) => note(`lateral C${i + 3}`, 2 ** (i + 3), conv(c[i + 2])));
      const p5 = side[2];
      const p4 = note("sum P4", 16, add(copy(side[1]), upsample(p5, side[1].height, side[1].width)));
      const p3 = note("sum P3", 8, add(copy(side[0]), upsample(p4, side[0].height, side[0].width)));
      const levels = [layer[0](p3), layer[1](p4), layer[2](p5)];
      levels.push(extra[0](levels[2]));
      levels.push(extra[1](relu(copy(levels[3]))));
      levels.forEach((map, i) => note(`P${config.levels[i]}`, 2 ** config.levels[i], map));
      return levels;
    }

    function run(rgba, height, width) {
      used = 0;
      noted = {};
      const { canvas, size } = onCanvas(rgba, height, width, config);
      note("pixels", 1, canvas);
      const levels = pyramid(canvas).map((feature, i) => {
        const cells = feature.height * feature.width, stride = 2 ** config.levels[i];
        const [classification, regression] = ["classification", "regression"].map((name) =>
          towers[name](feature, (step, x) => note(`${name} ${step} P${config.levels[i]}`, stride, x)));
        const own = config.centerness_branch === "classification" ? classification : regression;
        const raw = regress(regression).data, distances = new Float32Array(4 * cells);
        // Of the head: in strides where the configuration says so.
        for (let k = 0; k < distances.length; k++) distances[k] = Math.exp(Math.min(raw[k] * scales[i], MAX_EXPONENT));
        return {
          name: config.levels[i], stride, height: feature.height, width: feature.width,
          logits: new Float32Array(classify(classification).data.subarray(0, config.num_classes * cells)),
          centerness: new Float32Array(center(own).data.subarray(0, cells)), // logits
          distances,
        };
      });
      return { levels, size, canvas: [canvas.height, canvas.width], given: [height, width] };
    }

    // One of the maps of the last run, channel after channel, and how it looks: `strongest` are its channels, that with
    // the largest value on the picture first, `peaks` these values, `colours` bytes (channels, height, width, 4).
    run.features = (name, size) => {
      if (!noted[name]) throw new Error(`there is no map ${name}; there are ${Object.keys(noted).join(", ")}`);
      const { data, height, width, channels, stride } = noted[name], cells = height * width;
      const values = new Float32Array(channels * cells), peaks = new Float32Array(channels);
      const rows = Math.min(height, ceil(size[0], stride)), columns = Math.min(width, ceil(size[1], stride));
      for (let c = 0, to = 0; c < channels; c++) {
        for (let i = 0; i < cells; i++) values[to++] = data[i * channels + c];
        for (let y = 0; y < rows; y++) {
          const row = values.subarray(c * cells + y * width, c * cells + y * width + columns);
          for (const value of row) peaks[c] = Math.max(peaks[c], Math.abs(value));
        }
      }
      const colours = new Uint8ClampedArray(4 * values.length);
      for (let c = 0, i = 0; c < channels; c++) {
        for (const end = (c + 1) * cells; i < end; i++) {
          const share = Math.max(-1, Math.min(1, values[i] / (peaks[c] || 1))), far = Math.abs(share), at = 4 * i;
          // Nothing is dark; up it goes to yellow, down to blue.
          colours[at] = 22 + (share > 0 ? 233 : 64) * far;
          colours[at + 1] = 20 + (share > 0 ? 190 : 160) * far;
          colours[at + 2] = 34 + (share > 0 ? 20 : 215) * far;
          colours[at + 3] = 255;
        }
      }
      const strongest = Array.from({ length: channels }, (_, c) => c).sort((a, b) => peaks[b] - peaks[a]);
      return { name, height, width, channels, stride, values, peaks, strongest, colours };
    };
    // Names of all maps, from the picture on; those of the head for one level.
    run.stages = (level) => {
      const tower = (name) => Array.from({ length: config.num_head_convs }, (_, i) => `${name} ${i + 1} P${level}`);
      const names = { picture: ["pixels"], backbone: ["stem", "C2", "C3", "C4", "C5"] };
      names.pyramid = ["lateral C3", "lateral C4", "lateral C5", "sum P4", "sum P3", ...config.levels.map((n) => `P${n}`)];
      names.head = [...tower("classification"), ...tower("regression")];
      return names;
    };
    return run;
  }

  // ---- from predictions to detections (fcos_edu.inference)

  // What location `cell` of a level says, in pixels of the given picture.
  function answer(predictions, level, cell, config) {
    const one = predictions.levels[level], C = config.num_classes;
    const unit = config.normalize_targets ? one.stride : 1;
    const [x, y] = [cell % one.width, Math.floor(cell / one.width)].map((i) => Math.floor(one.stride / 2) + i * one.stride);
    const [height, width] = predictions.size;
    const back = [predictions.given[1] / width, predictions.given[0] / height]; // from the canvas to the picture
    const d = Array.from(one.distances.subarray(4 * cell, 4 * cell + 4), (value) => value * unit); // l t r b
    const clip = (value, most) => Math.min(Math.max(value, 0), most);
    const canvasBox = [clip(x - d[0], width), clip(y - d[1], height), clip(x + d[2], width), clip(y + d[3], height)];
    const logits = Array.from(one.logits.subarray(C * cell, C * (cell + 1)));
    return {
      level, cell, canvasBox, logits, scores: logits.map(sigmoid),
      centernessLogit: one.centerness[cell], centerness: sigmoid(one.centerness[cell]),
      point: [x * back[0], y * back[1]], ltrb: d.map((value, i) => value * back[i % 2]),
      box: canvasBox.map((value, i) => value * back[i % 2]),
      outside: x >= width || y >= height, // on the padding
    };
  }

  const area = (box) => (box[2] - box[0]) * (box[3] - box[1]);
  function iou(a, b) {
    const inter = Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0])) * Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
    return inter / (area(a) + area(b) - inter);
  }

  // All candidates above the threshold, highest score first, and what becomes of each:
  // {..., label, score, rank: from 1, by: index of the candidate that suppressed it or -1, iou: of the two,
  //  kept: among the detections}. settings: {threshold, nms, centerness: on or off}.
  function detect(predictions, config, settings) {
    const C = config.num_classes, found = [];
    predictions.levels.forEach((one, level) => {
      const own = [];
      one.logits.forEach((logit, pair) => {
        const probability = sigmoid(logit), cell = Math.floor(pair / C);
        if (!(probability > settings.threshold)) return;
        const score = settings.centerness ? probability * sigmoid(one.centerness[cell]) : probability;
        own.push({ level, cell, label: pair % C, probability, score });
      });
      own.sort((a, b) => b.score - a.score);
      found.push(...own.slice(0, config.pre_nms_top_k));
    });
    found.sort((a, b) => b.score - a.score);
    const all = found.map((one, i) => {
      return { ...one, ...answer(predictions, one.level, one.cell, config), rank: i + 1, by: -1, iou: 0, kept: false };
    });
    let kept = 0;
    all.forEach((one, i) => {
      if (one.by >= 0) return;
      one.kept = kept < config.detections_per_image;
      kept += 1;
      for (let j = i + 1; j < all.length; j++) {
        const other = all[j];
        if (other.by >= 0 || other.label !== one.label) continue;
        const value = iou(one.canvasBox, other.canvasBox);
        if (value > settings.nms) [other.by, other.iou] = [i, value];
      }
    });
    return all;
  }

  // ---- from boxes to targets (fcos_edu.targets, fcos_edu.centerness)

  // Boxes of the given picture on the canvas, each rounded once to float32 (fcos_edu.images.scale_boxes).
  function onCanvasBoxes(boxes, { given, size }) {
    const [y, x] = size.map((side, i) => side / given[i]);
    return boxes.map((box) => box.map((side, i) => Math.fround(side * (i % 2 ? y : x))));
  }

  const bound = (value) => (value === "inf" ? Infinity : value); // JSON knows no infinity

  // What one box is to one location, in pixels of the canvas: Eq. 1 and the three questions of section 3.
  function claim([x, y], [x0, y0, x1, y1], level, config) {
    const d = [x - x0, y - y0, x1 - x, y1 - y], far = Math.max(...d), bounds = config.level_bounds.map(bound);
    const away = Math.max(Math.abs(x - (x0 + x1) / 2), Math.abs(y - (y0 + y1) / 2));
    const radius = config.center_sampling_radius, reach = radius === null ? Infinity : radius * 2 ** config.levels[level];
    return {
      ltrb: d, far, away, reach, area: (x1 - x0) * (y1 - y0),
      inside: Math.min(...d) > 0,
      inRange: bounds[level] <= far && far <= bounds[level + 1],
      central: away < reach,
      // The levels whose range it is in; two where it is a bound, which belongs to both.
      levels: config.levels.filter((_, i) => bounds[i] <= far && far <= bounds[i + 1]),
    };
  }

  function centerness([l, t, r, b]) { // Eq. 3
    return Math.sqrt((Math.min(l, r) / Math.max(l, r)) * (Math.min(t, b) / Math.max(t, b)));
  }

  // What location `cell` of a level is to learn. `boxes` are on the canvas.
  // {claims: of each box, candidates: those that may be learnt, smallest area first, matched: the first of them or -1,
  //  ltrb: its distances in pixels of the given picture, wanted: as the network is to say them, centerness}
  function target(predictions, level, cell, boxes, config) {
    const { stride, width } = predictions.levels[level];
    const point = [cell % width, Math.floor(cell / width)].map((i) => Math.floor(stride / 2) + i * stride);
    const claims = boxes.map((box) => claim(point, box, level, config));
    const fits = ({ inside, inRange, central }) => inside && inRange && central;
    const candidates = claims.map((_, i) => i).filter((i) => fits(claims[i]));
    candidates.sort((i, j) => claims[i].area - claims[j].area); // among equals the earlier one stays first
    if (!candidates.length) return { claims, candidates, matched: -1, ltrb: null, wanted: null, centerness: 0 };
    const own = claims[candidates[0]].ltrb, unit = config.normalize_targets ? stride : 1;
    const back = [0, 1].map((i) => predictions.given[1 - i] / predictions.size[1 - i]);
    return {
      claims, candidates, matched: candidates[0], centerness: centerness(own),
      ltrb: own.map((value, i) => value * back[i % 2]), wanted: own.map((value) => value / unit),
    };
  }

  return { parse, detector, sizes, grid, answer, detect, iou, sigmoid, onCanvasBoxes, target };
}
