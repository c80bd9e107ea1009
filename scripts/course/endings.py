"""How each lab begins, and the cells at its end in which the student sees something work.

A code cell here uses the functions that the student has written, and the package for everything else. It is not graded.
Run with the instructor's solutions in tests/scripts/course/test_lab_notebooks.py.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lab:
    """The frame of one lab."""

    intro: str
    earlier: tuple[str, ...]  # functions of earlier labs that its answers may call
    ending: tuple[tuple[str, str], ...]  # ("text" or "code", source)
    message: str  # what the last picture shows, in words
    chapters: tuple[str, ...]


_PICTURE = """\
from fcos_edu import figures
from fcos_edu.data import load

shapes = load("shapes", "train", size=(256, 320), sizes=(8.0, 240.0))
image, target = shapes[445]
boxes = target["boxes"].as_subclass(Tensor)  # (M, 4)
names = shapes.classes
"""

LABS: dict[int, Lab] = {
    1: Lab(
        "A detector looks at an image through a grid. In this lab you build that grid, and describe a box as seen from "
        "one of its points. At the end your own locations find their boxes on a picture.",
        (),
        (
            (
                "code",
                _PICTURE
                + """
points = torch.as_tensor(locations(16, 20, 16)).float()  # (L, 2)
hits = torch.as_tensor(inside(ltrb(points, boxes))).bool()  # (L, M)
first = torch.where(hits.any(1), hits.int().argmax(1), -1)
print(f"{len(points)} locations, {int(hits.any(1).sum())} of them inside a box")
figures.assignment(image, boxes, points, first, ambiguous=hits.sum(1) > 1, title="your locations, and their boxes")
""",
            ),
            (
                "text",
                "Coloured points lie inside a box, points with a black rim in several. Which box has no point at "
                "all?\n\nNow the way back. From one location in each box, four numbers make the box again:",
            ),
            (
                "code",
                """\
found = hits.any(0)  # boxes that have a location
one = hits.int().argmax(0)[found]  # a location inside each of them
seen = torch.as_tensor(ltrb(points, boxes))[one, found.nonzero()[:, 0]]  # (M, 4), its four distances
again = torch.as_tensor(ltrb_to_boxes(points[one], seen)).float()
assert torch.allclose(again, boxes[found], atol=1e-3)
figures.show_boxes(image, again, target["labels"][found], names, title="boxes that your locations mean")
""",
            ),
        ),
        "On the first picture the locations stand in the middle of their cells, evenly over the whole of it. Those "
        "inside a box have its colour. The tiny triangle lies between the locations, and has none. On the second "
        "picture every object but this triangle has its box with its name.",
        ("02_locations",),
    ),
    2: Lab(
        "Which box does each location learn? In this lab you write the rule that replaces anchors. At the end your "
        "assignment is coloured, level by level.",
        ("ltrb", "inside"),
        (
            (
                "code",
                _PICTURE
                + """\
from fcos_edu.locations import feature_sizes, level_locations

strides = (8, 16, 32, 64, 128)
bounds = (0, 64, 128, 256, 512, math.inf)
points = [level_locations(h, w, s) for (h, w), s in zip(feature_sizes(256, 320, strides), strides)]
matched = [torch.as_tensor(assign(p, boxes, low, high)) for p, low, high in zip(points, bounds, bounds[1:])]
for stride, m in zip(strides, matched):
    print(f"stride {stride:3}: {int((m >= 0).sum()):3} of {len(m)} locations learn a box")
figures.level_assignment(image, boxes, points, matched)
""",
            ),
            (
                "text",
                "Large boxes go to coarse maps, small ones to fine maps. And the numbers that P4's locations learn:",
            ),
            (
                "code",
                """\
classes = torch.as_tensor(class_targets(matched[1], target["labels"]))
numbers = torch.as_tensor(box_targets(points[1], boxes, matched[1], 16))  # in strides
for i in (matched[1] >= 0).nonzero()[:3, 0].tolist():
    print(points[1][i].tolist(), names[int(classes[i])], [round(v, 2) for v in numbers[i].tolist()])
near = torch.as_tensor(near_center(points[1], boxes, 16, 1.5)).bool()
print(f"center sampling would keep {int((near.any(1) & (matched[1] >= 0)).sum())} of {int((matched[1] >= 0).sum())}")
""",
            ),
        ),
        "Each panel is one level. A location that learns a box has the box's colour; most locations learn background. "
        "Each box has its locations on one or two neighbouring levels.",
        ("03_levels", "04_overlap"),
    ),
    3: Lab(
        "How wrong is an answer, and which locations know their box best? In this lab you write Eq. 2 and Eq. 3. At "
        "the end your loss pulls a box into place.",
        (),
        (
            (
                "code",
                """\
from fcos_edu import figures

x, y = torch.meshgrid(torch.arange(60) * 2 + 1.0, torch.arange(40) * 2 + 1.0, indexing="xy")  # (40, 60)
four = torch.stack([x, y, 120 - x, 80 - y], dim=-1)  # distances at each place of a box of 120 x 80
figures.centerness_map(torch.as_tensor(centerness(four)), (0, 0, 120, 80))
""",
            ),
            (
                "text",
                "This is the paper's Fig. 3, from your function. Next, one location predicts a wrong box, and the "
                "gradient of *your* loss moves its four sides. (This needs torch inside; an answer in NumPy has no "
                "gradient.)",
            ),
            (
                "code",
                """\
truth = torch.tensor([[60.0, 30, 20, 50]])
raw = torch.tensor([[12.0, 12, 60, 14]]).log().requires_grad_()  # exp makes distances of it
optimizer, stages = torch.optim.Adam([raw], lr=0.1), {}
for step in range(61):
    if step in (0, 5, 20, 60):
        stages[f"{step} steps"] = raw.exp()[0].tolist()
    loss = iou_loss(raw.exp(), truth).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"loss {loss.item():.4f}")
figures.box_race((80, 60), truth[0].tolist(), stages)
""",
            ),
            ("text", "And what focal loss does to easy answers:"),
            (
                "code",
                """\
p = torch.linspace(0.02, 0.98, 49)
logit = (p / (1 - p)).log()
own = torch.tensor([0])
costs = {f"γ = {g}": [float(focal_loss(z.reshape(1, 1), own, 1.0, g)) for z in logit] for g in (0, 1, 2)}
limits = (0, 4)
figures.lines(p, {"": costs}, xlabel="probability of the right class", ylabel="loss", limits=limits)
""",
            ),
        ),
        "Center-ness is 1 in the middle of the box and falls to 0 at its border. With every step the predicted box "
        "moves and grows, until it covers the true one. The larger γ is, the less a right answer costs.",
        ("07_loss", "08_centerness"),
    ),
    4: Lab(
        "What computes the answers? In this lab you write the head of Fig. 2, from its shapes to its first bias. At "
        "the end a tower of yours sees edges in a picture, and a real detector's maps become your list.",
        (),
        (
            (
                "code",
                """\
import matplotlib.pyplot as plt

from fcos_edu import FCOS, figures
from fcos_edu.data import load, transforms

shapes = load("shapes", "test", num_images=60, transforms=transforms.eval_transforms())
image, target = shapes[52]
grey = image.mean(0).expand(1, 4, -1, -1)  # (1, 4, H, W)
edge = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
first, second = torch.zeros(4, 4, 3, 3), torch.zeros(4, 4, 3, 3)
for i, kernel in enumerate((edge, -edge, edge.T, -edge.T)):  # dark to bright: to the right, left, down, up
    first[i, i], second[i, i] = kernel, torch.full((3, 3), 1 / 9)
seen = torch.as_tensor(tower(grey, [first, second], [torch.zeros(4), torch.zeros(4)])).detach()
figure, axes = plt.subplots(1, 4, figsize=(10, 2.8))
for axis, channel, name in zip(axes, seen[0], ("right", "left", "down", "up")):
    axis.imshow(channel, cmap="gray")
    axis.set(title=f"brighter to the {name}" if name in ("right", "left") else f"brighter {name}wards")
    axis.axis("off")
plt.show()
""",
            ),
            (
                "text",
                "Weights made by hand; training finds better ones. Now the maps of a trained detector. Their cells, "
                "counted by your function, are the locations that it answers for:",
            ),
            (
                "code",
                """\
model = FCOS.pretrained("shapes")
with torch.no_grad():
    canvas = model.batcher([image], None)[0].tensor  # (1, 3, H, W)
    answers = model.predict(canvas)
sizes = [tuple(map(int, size)) for size in feature_sizes(*canvas.shape[-2:], list(model.config.strides))]
print("maps", sizes)
assert sum(h * w for h, w in sizes) == answers.logits.shape[1]

maps = answers.logits.transpose(1, 2)[:, :, : sizes[0][0] * sizes[0][1]].reshape(1, -1, *sizes[0])  # P3 as a map
rows = torch.as_tensor(flatten_map(maps))
assert torch.equal(rows.float(), answers.logits[:, : rows.shape[1]])
print("P3 as a list", tuple(rows.shape))
""",
            ),
            (
                "text",
                "And a head before its first step: with your bias it believes in nothing, and with your exp all its "
                "distances are positive.",
            ),
            (
                "code",
                """\
torch.manual_seed(0)
noise = torch.randn(6, 4) / 4
start = torch.sigmoid(torch.tensor(float(prior_bias(0.01))))
print(f"every class has the probability {start:.3f}")
sides = torch.as_tensor(predicted_distances(noise, 1.0, 32)).float()
assert (sides > 0).all()
at = torch.tensor([[64.0, 64], [128, 64], [192, 64], [64, 160], [128, 160], [192, 160]])
figures.show_boxes(image, torch.cat([at - sides[:, :2], at + sides[:, 2:]], 1), title="boxes of an untrained head")
""",
            ),
        ),
        "Each of the four maps is bright along edges of one direction. The untrained head's boxes are about as large "
        "as two strides, wherever an object is.",
        ("06_network",),
    ),
    5: Lab(
        "Thousands of answers, a few objects. In this lab you write everything between the network and the measure. At "
        "the end your functions clear up a crowded picture, and give the detector its AP.",
        (),
        (
            (
                "code",
                """\
from fcos_edu import FCOS, figures
from fcos_edu.data import load, transforms
from fcos_edu.targets import ltrb_to_boxes

model = FCOS.pretrained("shapes")
shapes = load("shapes", "test", num_images=60, transforms=transforms.eval_transforms())
grid = model.grid(256, 256)  # of the five maps: where the locations lie, and their strides


def detect(image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    \"\"\"Candidates of an image (boxes, scores, labels), and which of them stay, all by your functions.\"\"\"
    with torch.no_grad():
        answers = model.predict(model.batcher([image], None)[0].tensor)
    table = torch.as_tensor(scores(answers.logits[0], answers.centerness[0])).float()
    place, label = torch.as_tensor(select(table, 0.05, 1000)).long().reshape(-1, 2).T
    found = ltrb_to_boxes(grid.points, answers.distances[0] * grid.strides[:, None])[place]
    found = torch.as_tensor(clip_boxes(found, 256, 256)).float()
    value = table[place, label]
    return found, value, label, torch.as_tensor(batched_nms(found, value, label, 0.6)).long()


image, target = max((shapes[i] for i in range(60)), key=lambda pair: len(pair[1]["boxes"]))  # the most crowded
found, value, label, keep = detect(image)
print(f"{len(found)} candidates, {len(keep)} stay, {len(target['boxes'])} objects")
figures.show_boxes(image, found, label, shapes.classes, title="before your NMS")
""",
            ),
            (
                "code",
                """\
good = keep[value[keep] > 0.3]
figures.show_boxes(image, found[good], label[good], shapes.classes, value[good], title="after your NMS")
""",
            ),
            ("text", "How good is it? Your AP over twenty pictures, class by class, at an IoU of one half:"),
            (
                "code",
                """\
results = [(detect(picture), truth) for picture, truth in (shapes[i] for i in range(20))]
every = []
for number, name in enumerate(shapes.classes):
    ranked, hits, total = [], [], 0
    for (found, value, label, keep), truth in results:
        own = keep[label[keep] == number]
        objects = truth["boxes"].as_subclass(Tensor)[truth["labels"] == number]
        hits += torch.as_tensor(find_hits(found[own], value[own], objects, 0.5)).bool().tolist()
        ranked += value[own].tolist()
        total += len(objects)
    order = torch.tensor(ranked).argsort(descending=True)
    every.append(float(average_precision(torch.tensor(hits, dtype=torch.bool)[order], total)))
    print(f"{name:9} {total:3} objects, AP {100 * every[-1]:.1f}")
print(f"AP50 of the twenty pictures: {100 * sum(every) / len(every):.1f}")
assert 0.5 < sum(every) / len(every) <= 1
""",
            ),
        ),
        "Before NMS every object has a bundle of boxes. After it, each object has one box with its class and score.",
        ("10_detections", "11_average_precision"),
    ),
    6: Lab(
        "Does it learn, and did the change help? In this lab you write the parts of a training that decide about it. "
        "At the end a small detector learns a picture with your schedule, and you judge a change over several seeds.",
        (),
        (
            (
                "code",
                """\
from fcos_edu import FCOS, FCOSConfig, figures
from fcos_edu.data import load, transforms

data = load("shapes", num_images=1, seed=28, transforms=transforms.eval_transforms())
picture, truth = data[0]
old, new = (256, 256), (128, 192)  # a picture of your own would come in any size
small = torch.nn.functional.interpolate(picture[None], size=new, mode="bilinear", antialias=True)[0]
moved = torch.as_tensor(resize_boxes(truth["boxes"].as_subclass(Tensor), old, new)).float()
figures.show_boxes(small, moved, truth["labels"], data.classes, title="the boxes have followed")
""",
            ),
            (
                "text",
                "Now train on this one picture, for forty steps, with your learning rate and your average of the "
                "weights. It is a rehearsal: a detector that cannot overfit one picture has a fault.",
            ),
            (
                "code",
                """\
STEPS, example = 40, {"boxes": moved, "labels": truth["labels"]}


def run(seed: int, warmup: int) -> tuple[FCOS, list[float], list[float]]:
    \"\"\"A detector after STEPS steps, its losses, and one of its weights averaged.\"\"\"
    torch.manual_seed(seed)
    model = FCOS(FCOSConfig.tiny(num_classes=5, min_size=128, max_size=192)).train()
    optimizer, losses, averages = torch.optim.AdamW(model.parameters(), lr=1.0), [], []
    weight = next(model.parameters())
    average = weight.detach().clone()
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = float(learning_rate(step, 3e-3, warmup, 0.1, [32]))
        loss = sum(model([small], [example]).values())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        average = torch.as_tensor(moving_average(average, weight.detach(), 0.9))
        losses.append(loss.item())
        averages.append(float(average.flatten()[0]))
    return model.eval(), losses, averages


model, losses, averages = run(0, warmup=8)
assert losses[-1] < losses[0]
figures.learning_rates({"your schedule": [float(learning_rate(s, 3e-3, 8, 0.1, [32])) for s in range(STEPS)]})
""",
            ),
            (
                "code",
                """\
figures.loss_curves({"all losses together": losses})
""",
            ),
            ("text", "Does the warm-up help here? Three seeds with it, three without, everything else equal:"),
            (
                "code",
                """\
without = torch.tensor([sum(run(seed, warmup=1)[1][-5:]) / 5 for seed in (0, 1, 2)])
with_it = torch.tensor([sum(run(seed, warmup=8)[1][-5:]) / 5 for seed in (0, 1, 2)])
gain, error = (float(value) for value in paired_difference(with_it, without))
print(f"last losses without {without.tolist()}\\nlast losses with    {with_it.tolist()}")
print(f"the warm-up lowers the loss by {gain:.3f}, with a standard error of {error:.3f}")
print("told apart" if abs(gain) > 4.3 * error else "three seeds do not tell them apart")  # 95 %, two degrees of freedom
""",
            ),
            (
                "text",
                "What does your own data need? The chapter on your own boxes goes on from here; the capstone asks "
                "a question like the last one, and a page about the answer.",
            ),
        ),
        "The boxes sit on their objects although the picture was squeezed. The rate rises, stays, and drops to a "
        "tenth. The loss falls steeply at first; what is left is nearly all the floor of the center-ness loss.",
        ("09_training", "12_ablations", "15_your_boxes"),
    ),
}
