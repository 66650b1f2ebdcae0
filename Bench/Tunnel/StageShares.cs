using System.Buffers;

namespace FastExit.Bench.Tunnel;

/// <summary>
/// Counts the samples of `perf script -F ip,sym,dso` by stage of the packet path. A sample belongs to the innermost function of the project
/// on its stack, so that a copy counts for the stage that asked for it; one in the kernel, to what the kernel was asked for.
/// </summary>
internal sealed class StageShares
{
    /// <summary>The order of the table.</summary>
    public static readonly IReadOnlyList<string> Stages =
    [
        "X25519",
        "AES, ChaCha20, BLAKE, SHA-256, Lioness",
        "Sphinx and end-to-end packets",
        "delivery: fragments, SURBs, acks, replies",
        "IP packet router",
        "TUN device and segmentation",
        "mix link",
        "cores, rings, memory",
        "kernel: TUN, forwarding, NAT",
        "kernel: sockets of the mix link",
        "kernel: io_uring, scheduling, page faults",
        Rest,
    ];

    private const string Rest = ".NET runtime and the rest";
    private const string OwnTypes = "FastExit.";
    private const int Tun = 8, Sockets = 9, Kernel = 10;

    // The first that fits; by namespace or type as the perf map has them.
    private static readonly (string Prefix, int Stage)[] s_types =
    [
        ("FastExit.Crypto.Primitives.X25519", 0),
        ("FastExit.Crypto.Primitives.FieldElement", 0),
        ("FastExit.Crypto.Primitives.Scalar256", 0),
        ("FastExit.Crypto.Primitives.Edwards", 0),
        ("FastExit.Crypto.Primitives.Ed25519", 0),
        ("FastExit.Crypto.Lanes.X25519", 0),
        ("FastExit.Crypto.Lanes.LadderLanes", 0),
        ("FastExit.Crypto.Lanes.TableLanes", 0),
        ("FastExit.Crypto.Lanes.FieldLanes", 0),
        ("FastExit.Crypto.Lanes.FieldKernel", 0),
        ("FastExit.Crypto.Lanes.IFieldLanes", 0),
        ("FastExit.Crypto.Lanes.InversionLanes", 0),
        ("FastExit.Crypto.Lanes.DivstepInverse", 0),
        ("FastExit.Crypto.Lanes.EdwardsPoint", 0),
        ("FastExit.Crypto.Lanes.Limbs", 0),
        ("FastExit.Crypto.Lanes.OddScalar", 0),
        ("FastExit.Crypto.Lanes.CombShape", 0),
        ("FastExit.Crypto.Primitives.", 1),
        ("FastExit.Crypto.Lanes.", 1),
        ("FastExit.Crypto.", 2),
        ("FastExit.Sphinx.", 2),
        ("FastExit.Delivery.", 3),
        ("FastExit.IpPacketRouter.TunQueueDevice", 5),
        ("FastExit.IpPacketRouter.", 4),
        ("FastExit.Native.Tun.", 5),
        ("FastExit.MixLink.", 6),
        ("FastExit.", 7),
    ];

    private static readonly SearchValues<char> s_hexadecimal = SearchValues.Create("0123456789abcdef");
    private static readonly string[] s_tunFunctions = ["tun_", "ip_forward", "ip6_forward"];
    private static readonly string[] s_socketFunctions = ["tcp_", "inet_", "sock_", "__sys_sendmsg", "io_send", "io_recv"];

    private readonly long[] _samples = new long[Stages.Count];
    private bool _inSample;
    private bool _inKernel;
    private bool _decided;
    private int _stage;

    public long Samples => _samples.Sum();

    /// <summary>One line of the output. Anything but a frame ends the sample before.</summary>
    public void Add(ReadOnlySpan<char> line)
    {
        if (!TryReadFrame(line, out bool kernel, out ReadOnlySpan<char> symbol))
        {
            End();
            return;
        }

        if (!_inSample)
        {
            _inSample = true;
            _inKernel = kernel;
            _decided = false;
            _stage = kernel ? Kernel : Stages.Count - 1;
        }

        if (_decided)
            return;
        if (_inKernel)
            AddKernelFrame(kernel, symbol);
        else if (TryReadType(symbol, out ReadOnlySpan<char> type))
            Decide(StageOf(type));
    }

    /// <summary>After the last line.</summary>
    public void End()
    {
        if (_inSample)
            _samples[_stage]++;
        _inSample = false;
    }

    /// <summary>For each stage, tenths of a percent; they add up to 1000, or all are 0 when there is no sample.</summary>
    public int[] Permille()
    {
        long all = Samples;
        int[] shares = new int[Stages.Count];
        if (all == 0)
            return shares;
        for (int i = 0; i < shares.Length; i++)
            shares[i] = (int)(_samples[i] * 1000 / all);
        // What rounding down has left goes where it cut off most.
        foreach (int i in Enumerable.Range(0, shares.Length).OrderByDescending(i => _samples[i] * 1000 % all).Take(1000 - shares.Sum()).ToArray())
            shares[i]++;
        return shares;
    }

    /// <summary>`7f12ab34cd56 symbol (object)`; kernel addresses are the upper half.</summary>
    private static bool TryReadFrame(ReadOnlySpan<char> line, out bool kernel, out ReadOnlySpan<char> symbol)
    {
        kernel = false;
        symbol = default;
        if (line.IsEmpty || !char.IsWhiteSpace(line[0]))
            return false;
        line = line.Trim();
        int space = line.IndexOf(' ');
        if (space is < 1 or > 16 || line[..space].ContainsAnyExcept(s_hexadecimal))
            return false;
        kernel = space == 16 && line[0] is >= '8';
        symbol = line[(space + 1)..];
        int dso = symbol.LastIndexOf(" (", StringComparison.Ordinal);
        if (dso >= 0)
            symbol = symbol[..dso];
        return true;
    }

    /// <summary>`returned [Assembly] Namespace.Type::Method(...)[Tier]`, as the runtime writes it.</summary>
    private static bool TryReadType(ReadOnlySpan<char> symbol, out ReadOnlySpan<char> type)
    {
        type = default;
        int method = symbol.IndexOf("::", StringComparison.Ordinal);
        if (method < 0)
            return false;
        int start = symbol[..method].LastIndexOf("] ", StringComparison.Ordinal);
        if (start < 0)
            return false;
        type = symbol[(start + 2)..method];
        return type.StartsWith(OwnTypes, StringComparison.Ordinal);
    }

    private static int StageOf(ReadOnlySpan<char> type)
    {
        foreach ((string prefix, int stage) in s_types)
        {
            if (type.StartsWith(prefix, StringComparison.Ordinal))
                return stage;
        }

        return Stages.Count - 1;
    }

    private static bool Any(string[] beginnings, ReadOnlySpan<char> symbol)
    {
        foreach (string beginning in beginnings)
        {
            if (symbol.StartsWith(beginning, StringComparison.Ordinal))
                return true;
        }

        return false;
    }

    // A packet on its way through the TUN device may end in a socket of this host, but not the other way round: the device decides.
    private void AddKernelFrame(bool kernel, ReadOnlySpan<char> symbol)
    {
        if (!kernel)
            _decided = true;
        else if (Any(s_tunFunctions, symbol))
            Decide(Tun);
        else if (Any(s_socketFunctions, symbol))
            _stage = Sockets;
    }

    private void Decide(int stage)
    {
        _stage = stage;
        _decided = true;
    }
}
