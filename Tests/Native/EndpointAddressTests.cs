using System.Net;
using CsCheck;
using FastExit.Native.Sockets;
using Xunit;

namespace FastExit.Tests.Native;

public sealed class EndpointAddressTests
{
    [Fact]
    public void Any_endpoint_survives_the_round_trip()
    {
        Gen.Select(Gen.Bool, Gen.Byte.Array[16], Gen.UShort).Sample(
            (v6, bytes, port) =>
            {
                var endpoint = new IPEndPoint(new IPAddress(v6 ? bytes : bytes.AsSpan(0, 4)), port);
                EndpointAddress address = EndpointAddress.From(endpoint);
                EndpointAddress same = EndpointAddress.FromBytes(v6 ? bytes : bytes.AsSpan(0, 4), port);
                Span<byte> copied = stackalloc byte[16];
                address.CopyAddress(copied);
                return endpoint.Equals(address.ToIPEndPoint()) && address == same
                    && address.GetHashCode() == same.GetHashCode() && address.IsIPv6 == v6 && address.Port == port
                    && copied[..address.AddressLength].SequenceEqual(bytes.AsSpan(0, address.AddressLength))
                    && address.WithPort((ushort)(port ^ 1)) != address
                    && address.ToString() == endpoint.ToString();
            },
            iter: 1_000_000);
    }

    [Fact]
    public void An_IPv4_address_differs_from_the_same_bytes_as_IPv6()
    {
        byte[] bytes = new byte[16];
        bytes[0] = 127;
        bytes[3] = 1;
        EndpointAddress v4 = EndpointAddress.IPv4(0x7F000001, 80);
        Assert.Equal(v4, EndpointAddress.IPv4(127, 0, 0, 1, 80));
        Assert.Equal("127.0.0.1:80", v4.ToString());
        Assert.NotEqual(v4, EndpointAddress.FromBytes(bytes, 80));
        Assert.Equal("0.0.0.0:0", default(EndpointAddress).ToString());
    }

    [Fact]
    public void A_link_local_scope_is_kept()
    {
        var endpoint = new IPEndPoint(IPAddress.Parse("fe80::1%3"), 1789);
        EndpointAddress address = EndpointAddress.From(endpoint);
        Assert.Equal(3U, address.ScopeId);
        Assert.Equal(endpoint, address.ToIPEndPoint());
        Assert.NotEqual(address, EndpointAddress.From(new IPEndPoint(IPAddress.Parse("fe80::1%4"), 1789)));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    [InlineData(17)]
    public void Other_lengths_are_refused(int bytes) =>
        Assert.Throws<ArgumentException>(() => EndpointAddress.FromBytes(new byte[bytes], 1));

    [Fact]
    public void Errors_have_their_kernel_names()
    {
        Assert.Equal("ECONNREFUSED", Errno.Name(111));
        Assert.Equal("ENFILE", Errno.Name(-23));
        Assert.Equal("errno 4711", Errno.Name(4711));
    }

    [Theory]
    [InlineData("[::ffff:192.0.2.7]:5", "192.0.2.7:5")]
    [InlineData("192.0.2.7:5", "192.0.2.7:5")]
    [InlineData("[::192.0.2.7]:5", "[::192.0.2.7]:5")]
    [InlineData("[2001:db8::ffff:c000:207]:5", "[2001:db8::ffff:c000:207]:5")]
    public void MappedAddressesAreIPv4(string address, string unmapped) =>
        Assert.Equal(
            EndpointAddress.From(IPEndPoint.Parse(unmapped)), EndpointAddress.From(IPEndPoint.Parse(address)).Unmapped());
}
