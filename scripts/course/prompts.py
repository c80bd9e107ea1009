"""What the labs say around each question: why it is asked, an example worked by hand, and hints in three steps.

Checked against: the questions' own answers, which give each example; no hint holds a line of a solution
(tests/scripts/course/test_lab_notebooks.py). The third hint is nearly there; the last step stays the student's.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Prompt:
    """Around one question."""

    why: str
    call: str  # an example, an expression that calls the function
    gives: str  # what it gives, an expression without the function
    hints: tuple[str, str, str]


PROMPTS = {
    # ---- lab 1 ----------------------------------------------------------------------------------------------------
    "locations": Prompt(
        "A cell of a feature map must know which point of the image it speaks for. Everything that follows is measured "
        "from these points.",
        "locations(2, 3, 8)",
        "[[4, 4], [12, 4], [20, 4], [4, 12], [12, 12], [20, 12]]",
        (
            "Draw the map on paper: two rows, three columns, stride 8. Where is the middle of the first cell?",
            "Make the x of one row and the y of one column first. Then each y meets each x; x runs fastest.",
            "`torch.meshgrid(y, x, indexing='ij')` gives two tables of shape (H, W), first the y, then the x. Flatten "
            "both, and mind the order of the columns when you stack them.",
        ),
    ),
    "ltrb": Prompt(
        "Eq. 1 is what the network learns: a box as seen from one location.",
        "ltrb(torch.tensor([[120.0, 104]]), torch.tensor([[80.0, 60, 240, 200]]))",
        "[[[40, 44, 120, 96]]]",
        (
            "Which two of the four numbers use x, and which use y?",
            "Give both sides a shape that broadcasts: the locations (L, 1), the boxes (M,). The result is (L, M).",
            "Of `locations[:, None, 0]` and one column of `boxes` you get the left distance of all pairs. Do the same "
            "for the other three, then stack along a new last axis.",
        ),
    ),
    "ltrb_to_boxes": Prompt(
        "The way back: this turns what the network says into a box.",
        "ltrb_to_boxes(torch.tensor([[120.0, 104]]), torch.tensor([[40.0, 44, 120, 96]]))",
        "[[80, 60, 240, 200]]",
        (
            "Solve Eq. 1 for the four corners.",
            "Here location i belongs to row i of the distances: no pairs, no broadcasting over boxes.",
            "Left and top are taken away from the location, right and bottom are added. `unbind(1)` gives the columns.",
        ),
    ),
    "inside": Prompt(
        "Only a location inside a box can learn it. The four signs are all you need.",
        "inside(torch.tensor([[[40.0, 44, 120, 96], [40, -3, 120, 96], [0, 44, 160, 96]]]))",
        "[[True, False, False]]",
        (
            "What is the sign of l if the location lies left of the box?",
            "All four must be positive. Exactly 0 is on the border, which is outside.",
            "Compare the whole tensor with 0, then join the last axis: one answer for each of the four becomes one "
            "answer for each box.",
        ),
    ),
    # ---- lab 2 ----------------------------------------------------------------------------------------------------
    "in_level": Prompt(
        "Each level of the pyramid learns boxes of its own range, so that two boxes of different size do not meet.",
        "in_level(torch.tensor([[[10.0, 20, 64, 5], [10, 20, 65, 5]]]), 0, 64)",
        "[[True, False]]",
        (
            "One of the four distances decides. Which?",
            "Reduce the last axis to that one number, then compare it with both bounds.",
            "Both bounds belong to the level, so both comparisons include equality. Join them with `&`, in brackets.",
        ),
    ),
    "near_center": Prompt(
        "Locations at the rim of a box see little of the object. Center sampling keeps those near the middle.",
        "near_center(torch.tensor([[50.0, 50], [61, 50], [62, 50]]), torch.tensor([[0.0, 0, 100, 100]]), 8, 1.5)",
        "[[True], [True], [False]]",
        (
            "Where is the centre of a box, and how far is the location from it on each axis?",
            "Pairs again: locations (L, 1, 2) against centres (M, 2). The reach is radius times stride, in pixels.",
            "Take the absolute difference, (L, M, 2). It must be smaller than the reach on both axes: join the last "
            "axis.",
        ),
    ),
    "assign": Prompt(
        "The heart of FCOS: one box for each location, or background. No anchor, no IoU threshold.",
        "assign(torch.tensor([[50.0, 50], [10, 10], [200, 9]]), torch.tensor([[0.0, 0, 100, 100], [40, 40, 60, 60]]), "
        "0, 128)",
        "[1, 0, -1]",
        (
            "First ask which boxes a location may learn, then which of these is the smallest.",
            "Give every forbidden pair the area infinity, and find the smallest entry of each row. What does a row "
            "look like in which everything is forbidden?",
            "`argmin` of a row of infinities says 0, which is a box: put -1 wherever no pair of the row is allowed. "
            "And an image without boxes has rows of length 0, for which there is no argmin at all.",
        ),
    ),
    "class_targets": Prompt(
        "From the index of a box to the class that the location must predict.",
        "class_targets(torch.tensor([1, -1, 0]), torch.tensor([5, 2]))",
        "[2, -1, 5]",
        (
            "What does `labels[-1]` give in Python, and is that what background should learn?",
            "Start with an answer that is background everywhere. Then fill in the positive locations only.",
            "A mask tells the positive locations. Use it on both sides of an assignment: `answer[mask]`, and "
            "`matched[mask]` as the index into the labels.",
        ),
    ),
    "box_targets": Prompt(
        "From the index of a box to the four numbers, in strides: every level then learns numbers of the same size.",
        "box_targets(torch.tensor([[20.0, 28], [4, 4]]), torch.tensor([[4.0, 4, 60, 36]]), torch.tensor([0, -1]), 8)",
        "[[2, 3, 5, 1], [0, 0, 0, 0]]",
        (
            "It is Eq. 1 once more, but now each location has one box or none.",
            "As with the classes: zeros first, then the positive locations. There row i of the boxes belongs to row i "
            "of the locations.",
            "For the positive ones left and top are location minus corner, right and bottom are corner minus location. "
            "Join both pairs along the columns, and do not forget the stride.",
        ),
    ),
    # ---- lab 3 ----------------------------------------------------------------------------------------------------
    "focal_loss": Prompt(
        "A picture has thousands of easy negatives. Focal loss makes them count little.",
        "focal_loss(torch.zeros(1, 2), torch.tensor([0]), 0.25, 2.0)",
        "0.25 * math.log(2)  # 0.25 / 4 ln 2 + 0.75 / 4 ln 2",
        (
            "Make a table (L, C) that is true at each location's own class. What does a row of background look like?",
            "Compute what an entry costs if it is its location's class, and what it costs if it is not, for all "
            "entries. Then choose.",
            "Never take the logarithm of a sigmoid: `F.logsigmoid(z)` is ln p, and `F.logsigmoid(-z)` is ln(1 - p), "
            "both finite for a logit of 200. `torch.where` chooses; the sum comes last.",
        ),
    ),
    "iou_loss": Prompt(
        "Four distances that are learned one by one do not know that they make one box. The IoU does.",
        "iou_loss(torch.tensor([[2.0, 2, 2, 2]]), torch.tensor([[4.0, 2, 4, 2]]))",
        "[math.log(2)]  # 16 of 32",
        (
            "How wide is a box whose distances are l and r?",
            "Both boxes contain the location. So the intersection reaches as far left as the nearer of both left "
            "sides, and so on.",
            "The four distances of the intersection are the smaller ones of each pair. Its area, and those of both "
            "boxes, follow from the same formula; the union counts the intersection once.",
        ),
    ),
    "giou": Prompt(
        "Two boxes apart have an IoU of 0 wherever they are. GIoU still says whether they come closer.",
        "giou(torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([[4.0, 0, 6, 2]]))",
        "[-1 / 3]  # hull 12, union 8",
        (
            "You need three areas: intersection, union, hull.",
            "The intersection begins at the larger of both near corners and ends at the smaller of both far corners. "
            "The hull is the other way round.",
            "If the boxes lie apart, a side of the intersection is negative: set it to 0 before you multiply, because "
            "two negative sides have a positive product.",
        ),
    ),
    "centerness": Prompt(
        "A location in the middle of its box predicts better than one at the rim. Eq. 3 says how central it is.",
        "centerness(torch.tensor([[2.0, 9, 8, 1], [5, 5, 5, 5], [0, 0, 0, 0]]))",
        "[1 / 6, 1, 0]",
        (
            "Which two distances belong together?",
            "Work out the numerator and the denominator for the whole tensor, along the last axis. `unbind(-1)` gives "
            "the four.",
            "Where all four are 0, you would divide 0 by 0. Divide by something that is never 0, and choose with "
            "`torch.where`.",
        ),
    ),
    "centerness_loss": Prompt(
        "The branch learns a number between 0 and 1, not a class: a soft target. And only where there is an object.",
        "centerness_loss(torch.tensor([0.0, 3]), torch.tensor([[5.0, 5, 5, 5], [0, 0, 0, 0]]), torch.tensor([1, -1]))",
        "math.log(2)  # one positive location, target 1, prediction one half",
        (
            "Which locations take part?",
            "Choose the positive rows of the logits and of the distances first. Your function `centerness` makes the "
            "targets.",
            "`F.binary_cross_entropy_with_logits` has the sigmoid in it, takes soft targets and gives the mean. The "
            "mean of no numbers is NaN: catch that case before.",
        ),
    ),
    "normalize": Prompt(
        "Two GPUs with a picture each must learn what one GPU with both would. The number of positives is shared.",
        "normalize(torch.tensor([6.0, 2]), torch.tensor([3, 1]))",
        "2.0",
        (
            "What would one worker with the whole batch compute?",
            "It would sum all losses and divide once, by all positives.",
            "A batch may have no object. The floor, `clamp(min=1)`, belongs to the number of positives of the whole "
            "batch, not to each worker.",
        ),
    ),
    # ---- lab 4 ----------------------------------------------------------------------------------------------------
    "feature_sizes": Prompt(
        "Before you build a network, know its shapes. Images are rarely a multiple of 128.",
        "feature_sizes(100, 150, [8, 32])",
        "[(13, 19), (4, 5)]",
        (
            "How many cells of 8 pixels are needed for 100 pixels, if the last one may be only partly used?",
            "Height first, then width, for each stride.",
            "`math.ceil` rounds up what `/` gives; so does `-(-7 // 2)`, which is 4. After `//` it is too late.",
        ),
    ),
    "flatten_map": Prompt(
        "The head speaks in maps, the losses want lists. A wrong order here still trains, badly.",
        "flatten_map(torch.arange(8.0).reshape(1, 2, 2, 2))",
        "[[[0, 4], [1, 5], [2, 6], [3, 7]]]",
        (
            "In the example the channels of the first cell are 0 and 4. Where are they in memory?",
            "A `reshape` alone never moves a number. The channels have to come last before rows and columns join.",
            "`permute` takes the old axes in their new order: batch, height, width, channels. Which two of the new "
            "axes do you flatten?",
        ),
    ),
    "tower": Prompt(
        "Each branch of the head is a tower of small convolutions, shared by all levels.",
        "tower(torch.ones(1, 1, 1, 1), [torch.full((1, 1, 3, 3), 2.0), torch.full((1, 1, 3, 3), -1.0)], "
        "[torch.tensor([1.0]), torch.tensor([0.5])])",
        "[[[[0.0]]]]  # 2 + 1 = 3, then -3 + 0.5, and a ReLU",
        (
            "What comes after each convolution, the last one too?",
            "A loop over the layers; what one gives is what the next one gets.",
            "`F.conv2d(x, weight, bias, ...)` needs the padding with which a 3x3 convolution keeps the map's size.",
        ),
    ),
    "prior_bias": Prompt(
        "A new network should find almost nothing, because almost everything is background. Otherwise the first loss "
        "is huge.",
        "prior_bias(0.5)",
        "0.0",
        (
            "Which x has 1 / (1 + exp(-x)) = p?",
            "Solve it: exp(-x) = 1 / p - 1.",
            "Take the logarithm of both sides. For a p below one half the result is negative: check the sign.",
        ),
    ),
    "predicted_distances": Prompt(
        "A convolution gives any number, a distance must be positive. And one head serves strides from 8 to 128.",
        "predicted_distances(torch.tensor([[0.0, 0, 0, 0]]), 2.0, 16)",
        "[[16, 16, 16, 16]]",
        (
            "What does exp make of a negative number, of 0, of 500?",
            "Three steps in this order: the scale of the level, exp, the stride.",
            "What goes into exp, after the scale, is cut off at 12. `clamp` has a `max`; small numbers are left alone.",
        ),
    ),
    # ---- lab 5 ----------------------------------------------------------------------------------------------------
    "scores": Prompt(
        "A confident class at a bad place makes a bad box. The product puts such a box further down.",
        "scores(torch.zeros(1, 2), torch.zeros(1))",
        "[[0.25, 0.25]]",
        (
            "Both inputs are logits. What makes a probability of a logit?",
            "Each location has C classes and one center-ness.",
            "(L, C) times (L,) does not broadcast as you want: the center-ness needs an axis of length 1 at the end.",
        ),
    ),
    "clip_boxes": Prompt(
        "A box may reach beyond the picture. Nobody can see there.",
        "clip_boxes(torch.tensor([[-5.0, 3, 70, 45]]), 40, 60)",
        "[[0, 3, 60, 40]]",
        (
            "Which of the four numbers are limited by the width?",
            "Both x by the width, both y by the height, all by 0 from below.",
            "Unbind the columns, clamp each with its own limits, and stack them again in the old order.",
        ),
    ),
    "select": Prompt(
        "Thousands of locations times all classes: most of it is noise. Only the best go on to NMS.",
        "select(torch.tensor([[0.1, 0.9], [0.6, 0.2]]), 0.15, 2)",
        "[[0, 1], [1, 0]]",
        (
            "A location may give two detections, one for each of two classes.",
            "`nonzero` of a table of true and false gives the row and the column of each true entry.",
            "Look up the score of each pair, sort the pairs by it from the highest, and cut the list off after top_k.",
        ),
    ),
    "nms": Prompt(
        "Many locations find the same object. One box is enough. You need the IoU of boxes, here and for `find_hits`: "
        "write it once, as a helper of your own in the same file.",
        "nms(torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10], [30, 0, 40, 10]]), torch.tensor([0.8, 0.9, 0.5]), 0.5)",
        "[1, 2]",
        (
            "Do it by hand with three boxes. Which one is safe from the start?",
            "Walk through the boxes by score. A box is compared only with those that have stayed so far.",
            "Keep a list of indices. A box joins it if its IoU with none of them is above the threshold. With a table "
            "of all IoUs that is one row and some columns of it.",
        ),
    ),
    "batched_nms": Prompt(
        "A cup on a table is no duplicate of the table.",
        "batched_nms(torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10], [0, 1, 10, 11]]), torch.tensor([0.8, 0.9, 0.7]), "
        "torch.tensor([0, 1, 1]), 0.5)",
        "[1, 0]",
        (
            "You have NMS already. How often must it run?",
            "For each class: find the indices of its boxes, and run NMS on these boxes alone.",
            "NMS answers with positions in the smaller list; look them up in the indices of that class. At the end all "
            "classes are sorted together by score.",
        ),
    ),
    "find_hits": Prompt(
        "Before you can measure, decide what counts: each object may be found once.",
        "find_hits(torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9]]), torch.tensor([0.5, 0.9]), "
        "torch.tensor([[0.0, 0, 10, 10]]), 0.5)",
        "[False, True]  # the better score claims the object, though its box fits less",
        (
            "Who may choose first?",
            "Remember for each object whether it is still free. A detection may take a free object with enough IoU.",
            "Among the possible objects take the one with the largest IoU; for an argmax, give all others a value "
            "below every IoU. Then that object is not free any more.",
        ),
    ),
    "average_precision": Prompt(
        "One number for a whole ranking: COCO's AP.",
        "average_precision(torch.tensor([True, False, True]), 4)",
        "(26 * 1 + 25 * 2 / 3) / 101",
        (
            "Write down recall and precision after each detection of the example, on paper.",
            "`cumsum` of the hits gives the hits so far. For each asked recall look at all detections that reach it, "
            "not only at the first.",
            "The best precision among those that reach it counts, 0 if none does. Compare with a little tolerance, "
            "because 0.07 is not exact; and there may be no detection at all.",
        ),
    ),
    # ---- lab 6 ----------------------------------------------------------------------------------------------------
    "learning_rate": Prompt(
        "A new network falls apart with the full rate. So the rate rises slowly, and later falls in steps.",
        "learning_rate(50, 0.01, 100, 0.5, [900])",
        "0.0075",
        (
            "Sketch the rate over the steps. Where are its corners?",
            "Two factors: one for the warm-up, which ends at 1, and one for the milestones passed so far.",
            "In the warm-up the factor goes in a straight line from `factor` to 1; how far it has come is step over "
            "warmup, at most 1. A milestone counts from its own step on.",
        ),
    ),
    "moving_average": Prompt(
        "The weights of one step jump about. Their average is calmer, and often better.",
        "moving_average(torch.tensor([4.0]), torch.tensor([8.0]), 0.75)",
        "[5]",
        (
            "Which of both should have the larger share if the decay is 0.999?",
            "Both shares together make 1.",
            "The old average counts with the decay, the new weights with what is left of 1.",
        ),
    ),
    "resize_boxes": Prompt(
        "On your own pictures the boxes must follow when a picture is resized. Nothing complains if they do not.",
        "resize_boxes(torch.tensor([[10.0, 10, 40, 20]]), (100, 200), (50, 400))",
        "[[20, 5, 80, 10]]",
        (
            "By which factor grows an x, and by which a y?",
            "Sizes are (height, width), boxes begin with x.",
            "Make one tensor of four factors, in the order of a box, and multiply.",
        ),
    ),
    "paired_difference": Prompt(
        "One run with a change was better by half a point. Is it the change, or is it luck?",
        "paired_difference(torch.tensor([30.0, 31, 32]), torch.tensor([31.0, 33, 35]))",
        "(2, 1 / math.sqrt(3))",
        (
            "Runs with the same seed share their luck. What do you look at, then?",
            "Take the difference of each seed first. Its mean is the gain.",
            "`std` of a tensor divides by S - 1, as it should. From the spread of one difference to that of a mean of "
            "S of them it is a square root.",
        ),
    ),
}
