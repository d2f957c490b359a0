"""Domains with named coordinates, faces, outward normals and measures."""
