using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Primitives;
using FastExit.Delivery;

namespace FastExit.Tests.Delivery;

/// <summary>A packet as it reaches the exit, and the fragment it carries.</summary>
internal sealed record ClientPacket(byte[] Bytes, PacketSize Size, uint SetId, byte Position);

/// <summary>A fragment that came to the client, and the ack that its gateway releases.</summary>
internal sealed record ClientFragment(byte[] Fragment, NodeAddress AckFirstHop, byte[] AckPacket);

/// <summary>An anonymous client behind the lab's entry gateway: makes SURBs, sends messages, opens what comes back.</summary>
internal sealed class LabClient
{
    private readonly MixLab _lab;
    private readonly RouteBook _routes;
    private readonly Dictionary<string, byte[]> _replyKeys = [];
    private readonly byte[] _identifier = new byte[16];
    private readonly byte[] _seed = Ed25519.GenerateSeed();

    public LabClient(MixLab lab)
    {
        _lab = lab;
        _routes = new RouteBook(
            lab.Topology, lab.Entry.Identity, lab.Entry.SphinxKey, NodeAddress.From(lab.Entry.Address), TimeSpan.Zero);
        Destination = lab.Service;
        Address = MixLab.Recipient(_seed, EncryptionKey, lab.Entry);
    }

    public byte[] Tag { get; set; } = Ed25519.GenerateSeed()[..16];

    /// <summary>The service that packets are made for.</summary>
    public Recipient Destination { get; set; }

    public byte[] AckKey { get; } = Ed25519.GenerateSeed()[..16];

    public byte[] EncryptionKey { get; } = Ed25519.GenerateSeed();

    public Recipient Address { get; }

    public byte[] Identity => Address.Identity.ToArray();

    public byte[][] Surbs(int count)
    {
        var surbs = new List<byte[]>();
        var batch = new ReplySurbBatch();
        while (surbs.Count < count)
        {
            batch.Clear();
            while (batch.Count < Math.Min(8, count - surbs.Count))
                batch.Add(_routes.Draw(_routes.OwnGatewayOf(KeyRotation.Unknown), Identity, _identifier));
            batch.Build();
            for (int i = 0; i < batch.Count; i++)
            {
                surbs.Add(batch.Surb(i).ToArray());
                _replyKeys.Add(Convert.ToHexString(batch.Digest(i)), batch.ReplyKey(i).ToArray());
            }
        }

        return [.. surbs];
    }

    public byte[] Message(ReadOnlySpan<byte> data, int surbs = 0, KeyRotation rotation = KeyRotation.Unknown)
    {
        byte[] header = new byte[MessageWriter.RepliableHeaderBytes];
        MessageWriter.WriteRepliableHeader(header, Tag, surbs, 4, rotation);
        return [.. header, .. Surbs(surbs).SelectMany(s => s), .. data];
    }

    public byte[] MoreSurbs(int surbs)
    {
        byte[] header = new byte[MessageWriter.RepliableHeaderBytes];
        MessageWriter.WriteAdditionalSurbsHeader(header, Tag, surbs, 4, KeyRotation.Unknown);
        return [.. header, .. Surbs(surbs).SelectMany(s => s)];
    }

    /// <summary>A message with SURBs in the older form: a count of four bytes, payload keys instead of seeds.</summary>
    public byte[] LegacyMessage(ReadOnlySpan<byte> data, int surbs)
    {
        var message = new List<byte> { 1 };
        message.AddRange(Tag);
        message.AddRange([0, 0, 0, 0, (byte)surbs]);
        foreach (byte[] surb in Surbs(surbs))
        {
            byte[] keys = new byte[4 * 192];
            FastExit.Crypto.Sphinx.Surb.ExpandKeys(surb.AsSpan(ReplySurb.MaterialOffset), FastExit.Crypto.Sphinx.SurbKeyForm.Seeds, keys);
            message.AddRange(surb.AsSpan(0, ReplySurb.MaterialOffset).ToArray());
            message.AddRange(keys);
        }

        message.AddRange(data.ToArray());
        return [.. message];
    }

    /// <summary>The packets of a message, walked through three hops to the exit.</summary>
    public ClientPacket[] Send(byte[] message, PacketSize size = PacketSize.Regular)
    {
        FragmentPlan plan = FragmentPlan.For(message.Length, PacketSizes.FragmentBytes(size));
        uint[] setIds = new uint[plan.Sets];
        SetId.Fill(setIds);
        var packets = new ClientPacket[plan.Packets];
        for (int i = 0; i < plan.Packets; i++)
        {
            byte[] fragment = new byte[PacketSizes.FragmentBytes(size)];
            plan.WriteFragment(message, i, setIds, fragment);
            FragmentHeader.TryRead(fragment, out FragmentHeader header);
            packets[i] = Wrap(fragment, size, header.SetId, header.Position);
        }

        return packets;
    }

    public ClientPacket Wrap(byte[] fragment, PacketSize size, uint setId, byte position, bool ackable = true)
    {
        byte[] prefix = new byte[PacketSizes.AckPrefixBytes];
        if (ackable)
        {
            var acks = new AckBatch();
            acks.Add(_routes.Draw(_routes.OwnGatewayOf(KeyRotation.Unknown), Identity, _identifier), AckKey, setId, position);
            acks.Build();
            acks.Prefix(0).CopyTo(prefix);
        }

        byte[] packet = new byte[PacketSizes.PacketBytes(size)];
        fragment.CopyTo(packet, PacketLayout.FragmentOffset);
        var batch = new ForwardPacketBatch();
        Recipient destination = Destination;
        _routes.TryFindGateway(_lab.Exit.Identity, out int exit);
        batch.Add(
            0, size, _routes.Draw(exit, destination.Identity, _identifier), destination.EncryptionKey, prefix);
        batch.Build(packet);
        return new ClientPacket(_lab.Walk(batch.FirstHop(0), packet)!.Packet, size, setId, position);
    }

    /// <summary>Opens what the entry gateway unwrapped for this client; null: not for it, or not openable.</summary>
    public ClientFragment? Open(Arrival arrival)
    {
        if (arrival.Plaintext is null || !arrival.Destination!.AsSpan().SequenceEqual(Identity))
            return null;
        byte[] plaintext = arrival.Plaintext;
        if (!NodeAddress.TryRead(plaintext.AsSpan(0, NodeAddress.AckPrefixBytes), out NodeAddress ackHop, out _))
            return null;
        byte[] ack = plaintext[NodeAddress.AckPrefixBytes..PacketSizes.AckPrefixBytes];
        byte[] block = plaintext[PacketSizes.AckPrefixBytes..];
        string digest = Convert.ToHexString(block.AsSpan(0, ReplyKey.DigestBytes));
        if (_replyKeys.Remove(digest, out byte[]? key))
        {
            ReplyKey.Transform(key, block.AsSpan(ReplyKey.DigestBytes));
        }
        else
        {
            var lanes = new FragmentLane[] { new() { Offset = 0, Length = block.Length, Key = 0 } };
            new FragmentCipherBatch().DecryptForward(block, lanes, EncryptionKey);
            if (!lanes[0].Valid)
                return null;
        }

        return new ClientFragment(block[PacketSizes.KeyBlockBytes..], ackHop, ack);
    }

    /// <summary>Puts one set together; the message behind its type bytes.</summary>
    public static byte[] Assemble(IEnumerable<ClientFragment> fragments)
    {
        byte[] padded = [.. fragments
            .Select(f => (Header: Header(f), f.Fragment))
            .OrderBy(f => f.Header.Position)
            .SelectMany(f => f.Fragment[f.Header.HeaderBytes..])];
        if (!MessagePadding.TryStrip(padded, out int bytes))
            throw new InvalidOperationException("no padding");
        return padded[..bytes];
    }

    public static FragmentHeader Header(ClientFragment fragment) =>
        FragmentHeader.TryRead(fragment.Fragment, out FragmentHeader header)
            ? header : throw new InvalidOperationException("no fragment");
}
