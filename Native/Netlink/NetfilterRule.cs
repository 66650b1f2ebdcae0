using System.Net;
using System.Net.Sockets;
using System.Text;

namespace FastExit.Native.Netlink;

/// <summary>Writes one rule: open it, add matches (all must hold), end it with a verdict. Each method is what
/// <c>nft --debug=netlink</c> shows for the text in its doc.</summary>
internal ref struct NetfilterRule
{
    private const ushort RuleTable = 1;
    private const ushort RuleChain = 2;
    private const ushort RuleExpressions = 4;
    private const ushort ListElement = 1;
    private const ushort ExpressionName = 1;
    private const ushort ExpressionData = 2;
    private const ushort DataValue = 1;
    private const ushort DataVerdict = 2;
    private const ushort VerdictCode = 1;

    private const uint VerdictRegister = 0;
    private const uint Register = 1;
    private const uint Equal = 0;
    private const uint NotEqual = 1;

    private const uint MetaInputName = 6;
    private const uint MetaOutputName = 7;
    private const uint MetaFamily = 15;
    private const int NameBytes = 16;

    private const uint Established = 2;
    private const uint Related = 4;
    private const uint New = 8;

    private NetlinkMessageWriter writer;
    private readonly int expressions;
    private int element;
    private int data;

    public NetfilterRule(NetlinkMessageWriter writer, uint sequence, string table, string chain)
    {
        this.writer = writer;
        this.writer.Begin(
            NetfilterMessages.NewRule,
            NetlinkFlags.Request | NetlinkFlags.Acknowledge | NetlinkFlags.Create | NetlinkFlags.Append,
            sequence);
        NetfilterMessages.FamilyHeader(ref this.writer, NetfilterMessages.InetFamily);
        this.writer.Text(RuleTable, table);
        this.writer.Text(RuleChain, chain);
        expressions = this.writer.BeginNest(RuleExpressions);
    }

    /// <summary><c>iifname "device"</c></summary>
    public void From(string device) => MatchDevice(MetaInputName, Equal, device);

    /// <summary><c>oifname "device"</c></summary>
    public void To(string device) => MatchDevice(MetaOutputName, Equal, device);

    /// <summary><c>oifname != "device"</c></summary>
    public void NotTo(string device) => MatchDevice(MetaOutputName, NotEqual, device);

    /// <summary><c>ip saddr network</c> or <c>ip6 saddr network</c></summary>
    public void Source(IPNetwork network)
    {
        bool ipv6 = network.BaseAddress.AddressFamily == AddressFamily.InterNetworkV6;
        LoadMeta(MetaFamily);
        Compare(Equal, [ipv6 ? RouteMessages.Inet6Family : RouteMessages.InetFamily]);

        const uint NetworkHeader = 1;
        byte[] address = network.BaseAddress.GetAddressBytes();
        Begin("payload");
        writer.BigEndian(1, Register);
        writer.BigEndian(2, NetworkHeader);
        writer.BigEndian(3, ipv6 ? 8u : 12u);
        writer.BigEndian(4, (uint)address.Length);
        End();

        byte[] mask = new byte[address.Length];
        for (int bit = 0; bit < network.PrefixLength; bit++)
            mask[bit / 8] |= (byte)(0x80 >> (bit % 8));
        Mask(mask);
        Compare(Equal, address);
    }

    /// <summary><c>ct state established,related</c></summary>
    public void EstablishedOrRelated() => MatchState(Established | Related);

    /// <summary><c>ct state established,related,new</c>: all but invalid and untracked packets, which are not translated.</summary>
    public void Tracked() => MatchState(Established | Related | New);

    /// <summary><c>masquerade</c></summary>
    public NetlinkMessageWriter Masquerade()
    {
        Begin("masq");
        End();
        return Finish();
    }

    /// <summary><c>accept</c> or <c>drop</c></summary>
    public NetlinkMessageWriter Verdict(uint verdict)
    {
        Begin("immediate");
        writer.BigEndian(1, VerdictRegister);
        int value = writer.BeginNest(2);
        int nest = writer.BeginNest(DataVerdict);
        writer.BigEndian(VerdictCode, verdict);
        writer.EndNest(nest);
        writer.EndNest(value);
        End();
        return Finish();
    }

    private readonly NetlinkMessageWriter Finish()
    {
        writer.EndNest(expressions);
        writer.End();
        return writer;
    }

    private void MatchDevice(uint key, uint comparison, string device)
    {
        LoadMeta(key);
        Span<byte> name = stackalloc byte[NameBytes];
        name.Clear();
        Encoding.UTF8.GetBytes(device, name);
        Compare(comparison, name);
    }

    private void MatchState(uint states)
    {
        const uint State = 0;
        Begin("ct");
        writer.BigEndian(1, Register);
        writer.BigEndian(2, State);
        End();
        Mask(BitConverter.GetBytes(states));
        Compare(NotEqual, stackalloc byte[4]);
    }

    private void LoadMeta(uint key)
    {
        Begin("meta");
        writer.BigEndian(1, Register);
        writer.BigEndian(2, key);
        End();
    }

    private void Mask(scoped ReadOnlySpan<byte> mask)
    {
        Span<byte> zero = stackalloc byte[mask.Length];
        zero.Clear();
        Begin("bitwise");
        writer.BigEndian(1, Register);
        writer.BigEndian(2, Register);
        writer.BigEndian(3, (uint)mask.Length);
        Value(4, mask);
        Value(5, zero);
        End();
    }

    private void Compare(uint comparison, scoped ReadOnlySpan<byte> value)
    {
        Begin("cmp");
        writer.BigEndian(1, Register);
        writer.BigEndian(2, comparison);
        Value(3, value);
        End();
    }

    private void Value(ushort type, scoped ReadOnlySpan<byte> value)
    {
        int nest = writer.BeginNest(type);
        writer.Attribute(DataValue, value);
        writer.EndNest(nest);
    }

    private void Begin(string name)
    {
        element = writer.BeginNest(ListElement);
        writer.Text(ExpressionName, name);
        data = writer.BeginNest(ExpressionData);
    }

    private readonly void End()
    {
        writer.EndNest(data);
        writer.EndNest(element);
    }
}
