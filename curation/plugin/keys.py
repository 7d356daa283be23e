"""What the keys of a session do, by what it is about: as the terminal and the panel say it, from one place."""

TEXTS = {
    "pictures": """\
a          accept                       u   undo
d          reject, asks for the reason  n   next undecided
1 … 5      reject: wrong class, box does not fit, extra object, looks unreal, too small
e          extra object: something in the picture has no label
Boxes and classes are corrected in the tab Annotate of an open picture.""",
    "findings": """\
n          next photo of the evidence
Confirm, dismiss or change findings in the panel Curate; "Show its evidence" leaves only its photos.""",
    "photos": """\
l          labelled: all its labels are right   u   undo
n          next photo to label
Boxes and classes are corrected in the tab Annotate of an open photo; then mark it as labelled (l).""",
    "labels": """\
k          keep: the label is right     u   undo
f          set what is suggested        n   next photo with a suspected label
x          delete the label
Boxes and classes are corrected in the tab Annotate of an open photo; then keep (k) the label.""",
}
MARKDOWN = {
    "pictures": (
        "**a** accept · **d** reject · **e** extra object · **u** undo · **n** next  \n"
        "rejects: **1** wrong class · **2** box does not fit  \n"
        "**3** extra object · **4** looks unreal · **5** too small"
    ),
    "findings": "**n** next photo",
    "photos": "**l** labelled · **u** undo · **n** next",
    "labels": "**k** keep · **f** set what is suggested · **x** delete · **u** undo · **n** next",
}
END = '"End the session" is in the panel Curate.'
