using System.Buffers.Binary;
using System.Net;

namespace FastExit.Tests.EndToEnd.Tunnel;

/// <summary>An IP packet in a file of tcpdump(8); IPv6 neighbour discovery is left out, as ARP is.</summary>
internal sealed record CapturedPacket(IPAddress Source, IPAddress Destination, byte[] Bytes)
{
    private const int FileHeaderBytes = 24;
    private const int RecordHeaderBytes = 16;
    private const int EthernetHeaderBytes = 14;
    private const int IcmpV6 = 58;

    /// <summary>Packets of a file in this machine's byte order, links being Ethernet.</summary>
    public static List<CapturedPacket> Read(byte[] file)
    {
        if (BinaryPrimitives.ReadUInt32LittleEndian(file) != 0xa1b2c3d4 || BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(20)) != 1)
            throw new InvalidDataException("not a capture of Ethernet");
        var packets = new List<CapturedPacket>();
        for (int at = FileHeaderBytes; at < file.Length;)
        {
            int length = BinaryPrimitives.ReadInt32LittleEndian(file.AsSpan(at + 8));
            at += RecordHeaderBytes;
            byte[] frame = file[at..(at + length)];
            at += length;
            byte[] packet = frame[EthernetHeaderBytes..];
            switch (BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(12)))
            {
                case 0x0800:
                    packets.Add(new CapturedPacket(new IPAddress(packet[12..16]), new IPAddress(packet[16..20]), packet));
                    break;
                case 0x86dd when packet[6] != IcmpV6 || packet[40] is < 133 or > 137:
                    packets.Add(new CapturedPacket(new IPAddress(packet[8..24]), new IPAddress(packet[24..40]), packet));
                    break;
                default:
                    break;
            }
        }

        return packets;
    }
}
