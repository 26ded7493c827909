"""What AMTEN's paper prints (Guo et al., CVIU 2021), shares of one.

Measured on photographs: HFF for images, FaceForensics++ for HQ and LQ.
"""


def _table(columns, text):
    """{row: {column: share}}, of percentages."""
    shares = {}
    for line in text.strip().splitlines():
        name, *cells = (part.strip() for part in line.split("|"))
        printed = zip(columns.split(), cells, strict=True)
        shares[name] = {column: round(float(x) / 100, 4) for column, x in printed}
    return shares


# Table V
FRONT_ENDS = _table(
    "Raw",
    """
    AMTENnet                | 98.52
    model_base, high-pass   | 97.50
    model_base, constrained | 95.24
    model_base, SRM         | 97.49
    """,
)

# Table VI; AMTEN_3's accuracy is missing there: this is what its RER says.
ABLATIONS = _table(
    "Raw",
    """
    AMTENnet   | 98.52
    model_base | 96.16
    AMTEN_1    | 97.14
    AMTEN_2    | 97.46
    AMTEN_3    | 97.42
    AMTEN_4    | 97.88
    AMTEN_5    | 97.81
    AMTEN_6    | 98.29
    AMTENnet_7 | 96.85
    AMTENnet_8 | 98.36
    """,
)

# Table VII
BASELINES = _table(
    "Raw JP60 ME5 HQ LQ",
    """
    AMTENnet         | 98.52 | 91.02 | 92.42 | 90.11 | 72.14
    Meso-4           | 80.76 | 67.76 | 62.40 | 52.92 | 50.63
    MesoInception-4  | 86.40 | 58.68 | 77.68 | 67.38 | 45.97
    Hand-Crafted-Res | 90.54 | 73.81 | 74.99 | 82.94 | 64.58
    MISLnet          | 93.76 | 86.32 | 79.06 | 82.44 | 65.61
    Xception         | 97.17 | 78.62 | 90.88 | 76.30 | 71.63
    """,
)

# All of these tell sources apart; AMTENnet has the same accuracy on raw pictures.
MULTIPLE = FRONT_ENDS | ABLATIONS | BASELINES

# Table VIII
BINARY = _table(
    "Raw JP60 ME5 HQ LQ",
    """
    AMTENnet         | 97.66 | 88.91 | 81.36 | 85.14 | 84.16
    Meso-4           | 76.83 | 62.40 | 63.52 | 61.59 | 61.27
    MesoInception-4  | 94.33 | 73.63 | 84.43 | 64.77 | 77.21
    Hand-Crafted-Res | 89.06 | 72.97 | 76.88 | 79.23 | 78.79
    MISLnet          | 93.71 | 87.87 | 84.76 | 83.84 | 82.85
    Xception         | 92.82 | 74.12 | 76.62 | 75.17 | 75.98
    """,
)

# Table X, AMTENnet: trained on a row, tested on the columns
CROSSED = _table(
    "Raw JP60 JP-mix ME5 ME-mix",
    """
    Raw    | 98.52 | 76.41 | 76.41 | 75.37 | 77.11
    JP60   | 90.19 | 91.02 | 87.43 | 54.61 | 59.40
    JP-mix | 93.67 | 88.78 | 90.33 | 69.81 | 73.29
    ME5    | 74.66 | 47.57 | 55.52 | 92.42 | 87.87
    ME-mix | 91.67 | 65.53 | 67.45 | 90.07 | 90.74
    """,
)

# Tables XI and XII, AMTENnet: trained on the columns, tested on a row.  The last five
# operations are in no mixture.
MIXED = _table(
    "Small Middle Large",
    """
    Raw     | 95.03 | 95.36 | 96.32
    JP60    | 85.81 | 86.46 | 88.52
    JP-mix  | 86.35 | 86.87 | 89.31
    ME5     | 87.66 | 91.92 | 91.35
    ME-mix  | 88.52 | 92.05 | 92.82
    GB-mix  | 92.07 | 94.57 | 96.06
    MED-mix | 92.22 | 94.75 | 95.05
    GC-mix  | 88.01 | 91.89 | 93.52
    JP2-mix | 94.64 | 94.89 | 95.90
    SC-mix  | 94.09 | 94.82 | 95.34
    """,
)
